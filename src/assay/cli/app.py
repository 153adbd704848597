"""`assay`: the table of commands, and the one place where exceptions become exit statuses."""

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from assay.cli import data, demo, doctor, evaluation, judging, registry, start, training
from assay.cli.failures import STOPPED, report_failure, report_stop

HELP = """Small-language-model judges: from labelled examples to a gated, calibrated verdict.

The way through: init, data import, data freeze, train, evaluate, promote, judge. See all of it at work: assay demo
"""

ORDER = ("init", "data", "train", "evaluate", "gate", "card", "promote", "judge", "list", "show")


class AssayGroup(TyperGroup):
    """The root group. Refusals end with status 2 and a sentence, never with a traceback."""

    def list_commands(self, ctx: Any) -> list[str]:
        """In the order in which one needs them."""
        names = super().list_commands(ctx)
        return sorted(names, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = "assay",
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command line. With `standalone_mode=False` exceptions pass through and nothing exits."""
        given = list(sys.argv[1:] if args is None else args)
        line = [word for word in given if word != "--debug"]
        if not standalone_mode:
            return super().main(line, prog_name, complete_var, False, windows_expand_args, **extra)
        try:
            status = super().main(line, prog_name, complete_var, False, windows_expand_args, **extra)
        except typer.Abort:
            status = STOPPED
        except Exception as error:
            sys.exit(report_failure(error, given))
        sys.exit(report_stop() if status == STOPPED else status or 0)


app = typer.Typer(
    cls=AssayGroup,
    help=HELP,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
data_app = typer.Typer(help="Import, check, freeze and list data.", no_args_is_help=True)


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an unexpected error.")] = False,
) -> None:
    """Options of every command; `--debug` may stand anywhere and is taken out by `AssayGroup.main`."""
    del debug


app.command("init")(start.init)
app.add_typer(data_app, name="data")
data_app.command("import")(data.import_data)
data_app.command("check")(data.check)
data_app.command("freeze")(data.freeze)
data_app.command("list")(data.list_data)
app.command("train")(training.train)
app.command("evaluate")(evaluation.evaluate)
app.command("gate")(evaluation.gate)
app.command("card")(evaluation.card)
app.command("promote")(registry.promote)
app.command("rollback")(registry.rollback)
app.command("alias")(registry.alias)
app.command("judge")(judging.judge)
app.command("list")(registry.list_versions)
app.command("show")(registry.show)
app.command("history")(registry.history)
app.command("verify")(registry.verify)
app.command("adopt")(registry.adopt)
app.command("doctor")(doctor.doctor)
app.command("demo")(demo.demo)


def main() -> None:
    """The entry point of the `assay` script."""
    app(prog_name="assay")
