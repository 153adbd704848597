"""`assay demo`: the whole path on the bundled sample, every command shown before it runs.

It runs the real commands in this process, one after the other. Stopped at any moment and started again, it goes on.
"""

import contextlib
import shlex
import sys
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from assay.cli.evaluation import measure_rows
from assay.cli.opening import open_workspace
from assay.cli.options import JsonOption
from assay.cli.screen import Screen, estimate
from assay.schema.errors import InputError, RefusedError, shown

if TYPE_CHECKING:
    from assay.api.reports import Evaluation

Run: TypeAlias = Callable[..., None]
CRITERION = "advice"
CANDIDATE = f"{CRITERION}@candidate"
VERDICTS = "verdicts.jsonl"
SAMPLE = {
    "criterion.toml": f"criteria/{CRITERION}.toml",
    "examples.jsonl": "data/examples.jsonl",
    "unlabelled.jsonl": "data/unlabelled.jsonl",
}
# A bank must not miss advice, so recall is fixed and precision is what it is; the best F1 at 4 advice in 100 would flag
# only what is certain.
DEMO_POLICY = "recall>=0.9"
SHOWN_MEASURES = ("f1", "precision", "recall", "auroc")


def demo(
    context: typer.Context,
    folder: Annotated[Path, typer.Option("--dir", "--workspace", metavar="DIR", help="Where to work.")] = Path(
        "assay-demo"
    ),
    json: JsonOption = False,
) -> None:
    """Show the whole path on a bundled sample: personalised investment advice in a bank's assistant.

    Offline, in a folder of its own, within five minutes on two cores. Each command is shown before it runs.

    Example: assay demo --dir /tmp/assay-demo
    """
    screen = Screen(json_wanted=json)
    _lay_out(folder, screen)

    def run(*words: str) -> None:
        screen.say()
        screen.say(f"$ assay {shlex.join(words)}", style="bold cyan")
        context.find_root().command.main(list(words), prog_name="assay", standalone_mode=False)

    with contextlib.chdir(folder), _all_to_stderr(wanted=json):
        run("init", ".", "--criterion", CRITERION)
        _to_a_dataset(run, screen)
        _train(run, screen)
        run("evaluate", CANDIDATE)
        run("gate", CANDIDATE)
        _try_to_promote(run, screen)
        run("judge", CANDIDATE, SAMPLE["unlabelled.jsonl"], "-o", VERDICTS, "--overwrite")
        verdicts = _verdicts(screen)
        with open_workspace(Path()) as here:
            found = here.gate(CANDIDATE)
        _sum_up(screen, found)
    screen.done(
        {
            "workspace": str(folder.resolve()),
            "judge": found.version.id,
            "may_be_promoted": found.decision.passed,
            "because": list(found.decision.because),
            "measures": found.report.to_dict()["measures"],
            "card": str(found.card),
            "verdicts": verdicts,
        }
    )


def _lay_out(folder: Path, screen: Screen) -> None:
    """The sample's files, in a folder that is fresh or an earlier demo's. Raises InputError."""
    from assay.api.starting import write_new  # noqa: PLC0415

    is_ours = (folder / SAMPLE["criterion.toml"]).is_file()
    if folder.exists() and not is_ours and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(
            "The demo works in a folder of its own.",
            required="a folder that is empty, not there yet, or an earlier demo's",
            got=shown(str(folder)),
            next_step="choose another with --dir",
        )
    sample = files("assay") / "samples" / CRITERION
    for name, place in SAMPLE.items():
        write_new(folder / place, (sample / name).read_bytes())
    screen.say(f"The sample is in {folder}: a criterion, 1,000 labelled conversations, 8 fresh ones.")
    screen.say()
    screen.say(f"$ cd {shlex.quote(str(folder))}", style="bold cyan")


def _to_a_dataset(run: Run, screen: Screen) -> None:
    run("data", "import", SAMPLE["examples.jsonl"], "--criterion", CRITERION)
    screen.say()
    screen.say("The sample is synthetic, and labelled by its authors. A freeze refuses both, unless a waiver says so:")
    run("data", "freeze", CRITERION, "--accept-labels", "author", "--accept-synthetic", "imported")


def _train(run: Run, screen: Screen) -> None:
    with open_workspace(Path()) as here:
        dataset = here.newest_dataset(CRITERION).id
        trained = [one for one in here.versions() if one.dataset == dataset and "candidate" in one.aliases]
    if trained:
        screen.say(f"\n{trained[-1].id} is trained on this dataset already, so the training is left out.")
    else:
        run("train", CRITERION, "--threshold", DEMO_POLICY)


def _try_to_promote(run: Run, screen: Screen) -> None:
    """An honest refusal is a valid end: the labels are no expert's."""
    try:
        run("promote", CANDIDATE)
    except RefusedError as error:
        screen.say(str(error), style="yellow")
        screen.say("That refusal is the point: a promotion needs experts' labels, or somebody's waiver in words.")
        screen.say("It can judge as a candidate all the same:")


def _verdicts(screen: Screen) -> list[dict[str, Any]]:
    from assay.ingest.row import Row  # noqa: PLC0415
    from assay.ingest.rows import read_rows  # noqa: PLC0415

    rows = [row.values for row in read_rows(Path(VERDICTS)) if isinstance(row, Row)]
    screen.table(
        ("id", "verdict", "probability", "the reply begins"),
        [
            (
                row["id"],
                row["verdict"].get("label", row["verdict"]["kind"]),
                estimate(row["verdict"].get("probability")),
                row["output"][:72] + "…",
            )
            for row in rows
        ],
        numbers_from=9,
    )
    return [{"id": row["id"], "verdict": row["verdict"]} for row in rows]


def _sum_up(screen: Screen, found: "Evaluation") -> None:
    from assay.validation.wording import measure_name  # noqa: PLC0415

    names = [contender.name for contender in found.report.contenders]
    wanted = {measure_name(name) for name in SHOWN_MEASURES} | {"Calibration error", "Precision in production"}
    screen.say()
    screen.say(f"{found.version.id} on {found.report.answers.rows:,} test rows", style="bold")
    screen.table(
        ("measure", "value (95 % interval)", *(f"baseline: {name}" for name in names)),
        [row for row in measure_rows(found) if row[0] in wanted],
    )
    if found.decision.passed:
        screen.say("It may be promoted.")
    else:
        screen.say("It may not be promoted, because")
        for reason in found.decision.because:
            screen.say(f"  - {reason}")
    screen.say(f"Judge card: {found.card}", style="bold")


@contextlib.contextmanager
def _all_to_stderr(*, wanted: bool) -> Iterator[None]:
    """With --json stdout is kept for the one object at the end."""
    with contextlib.redirect_stdout(sys.stderr) if wanted else contextlib.nullcontext():
        yield
