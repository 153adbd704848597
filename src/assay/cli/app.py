"""`assay`: the table of commands, and the one place where exceptions become exit statuses."""

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from assay.cli import (
    agreement,
    audit,
    augment,
    certification,
    consensus,
    criteria,
    data,
    demo,
    doctor,
    drawing,
    evaluation,
    exchange,
    fallback,
    hard_negatives,
    importing,
    judging,
    labellers,
    labelling,
    probing,
    quantizing,
    queues,
    registry,
    serving,
    start,
    training,
    verdicts,
)
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
        sys.exit(report_stop(given) if status == STOPPED else status or 0)


app = typer.Typer(
    cls=AssayGroup,
    help=HELP,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
data_app = typer.Typer(help="Import, check, freeze and list data.", no_args_is_help=True)
label_app = typer.Typer(help="The labelling page: who labels, what, and what came of it.", no_args_is_help=True)
queue_app = typer.Typer(help="Make, list, show and close queues.", no_args_is_help=True)
labellers_app = typer.Typer(help="Add, list and remove those who label.", no_args_is_help=True)


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an unexpected error.")] = False,
) -> None:
    """Options of every command; `--debug` may stand anywhere and is taken out by `AssayGroup.main`."""
    del debug


app.command("init")(start.init)
app.add_typer(data_app, name="data")
data_app.command("import")(importing.import_data)
data_app.command("check")(importing.check)
data_app.command("export")(exchange.export)
data_app.command("freeze")(data.freeze)
data_app.command("list")(data.list_data)
data_app.command("next")(drawing.next_to_label)
data_app.command("hard-negatives")(hard_negatives.hard_negatives)
data_app.command("contrast")(hard_negatives.contrast)
data_app.command("audit")(audit.audit)
data_app.command("agreement")(agreement.agreement)
data_app.command("consensus")(consensus.consensus)
augment_app = typer.Typer(
    cls=augment.AugmentGroup, help="Make rows from rows, kept only where experts agree.", no_args_is_help=True
)
data_app.add_typer(augment_app, name="augment")
augment_app.command("make")(augment.make)
augment_app.command("sample")(augment.sample)
augment_app.command("accept")(augment.accept)
augment_app.command("show")(augment.show)
augment_app.command("list")(augment.list_receipts)
criteria_app = typer.Typer(help="Versions of a criterion: what moved, what becomes of labels.", no_args_is_help=True)
app.add_typer(criteria_app, name="criteria")
criteria_app.command("diff")(criteria.diff)
criteria_app.command("sample")(criteria.sample)
app.command("probe")(probing.probe)
app.add_typer(label_app, name="label")
label_app.command("serve")(labelling.serve)
label_app.command("export")(labelling.export)
label_app.add_typer(queue_app, name="queue")
queue_app.command("make")(drawing.make)
queue_app.command("list")(queues.list_queues)
queue_app.command("show")(queues.show)
queue_app.command("close")(queues.close)
label_app.add_typer(labellers_app, name="labellers")
labellers_app.command("add")(labellers.add)
labellers_app.command("list")(labellers.list_labellers)
labellers_app.command("remove")(labellers.remove)
app.command("train")(training.train)
app.command("evaluate")(evaluation.evaluate)
app.command("compare")(hard_negatives.compare)
app.command("gate")(evaluation.gate)
app.command("card")(evaluation.card)
app.command("promote")(registry.promote)
app.command("rollback")(registry.rollback)
app.command("alias")(registry.alias)
app.command("certify")(certification.certify)
app.command("quantize")(quantizing.quantize)
app.command("fallback")(fallback.fallback)
app.command("escalation")(fallback.escalation)
app.command("spending")(fallback.spending)
app.command("judge")(judging.judge)
app.command("list")(registry.list_versions)
app.command("show")(registry.show)
app.command("history")(registry.history)
app.command("verify")(registry.verify)
app.command("adopt")(registry.adopt)
app.command("serve")(serving.serve)
keys_app = typer.Typer(help="API keys of the server: add, list, revoke.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")
keys_app.command("add")(serving.add_key)
keys_app.command("list")(serving.list_keys)
keys_app.command("revoke")(serving.revoke_key)
verdicts_app = typer.Typer(help="Verdicts that the database refused: show, recover.", no_args_is_help=True)
app.add_typer(verdicts_app, name="verdicts")
verdicts_app.command("refused")(verdicts.refused)
verdicts_app.command("recover")(verdicts.recover)
app.command("doctor")(doctor.doctor)
app.command("demo")(demo.demo)


def main() -> None:
    """The entry point of the `assay` script."""
    app(prog_name="assay")
