"""`assay quantize`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.evaluation import evaluation_values, say_decision
from assay.cli.opening import open_workspace
from assay.cli.options import JsonOption, Ref, WorkspaceOption
from assay.cli.progress import progress
from assay.cli.screen import Screen, estimate

if TYPE_CHECKING:
    from assay.api.quantizing import Quantised

MEGABYTE = 1e6


def quantize(
    ref: Ref,
    to: Annotated[str, typer.Option(metavar="FORMAT", help="int8: encoders, on processors with VNNI.")] = "int8",
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Make a child with 8-bit weights, calibrate and evaluate it, and hold it against its parent.

    Its gates refuse it where it answers too often otherwise than its parent, or is worse (docs/quantize.md).

    Example: assay quantize advice@champion --to int8
    """
    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here, progress("judging the test rows") as report:
        made = here.quantize(ref, to, on_stage=screen.say, on_judged=report)
    _say(screen, made)
    screen.done(_values(made))


def _say(screen: Screen, made: "Quantised") -> None:
    found = made.against_parent
    screen.table(("", "child", "parent"), _sizes(made))
    for name, one in (
        ("answers that differ", found.flips),
        ("F1 lost", found.f1_loss),
        ("score drift, log-odds", found.score_drift),
        ("probability drift", found.probability_drift),
    ):
        screen.say(f"{name}: {'-' if one is None else estimate(one.value, one.low, one.high)}")
    say_decision(screen, made.evaluation.decision)
    passed = made.evaluation.decision.passed
    screen.say(f"Next: assay promote {made.version.id}" if passed else f"Card: {made.evaluation.card}")


def _sizes(made: "Quantised") -> list[tuple[str, ...]]:
    found = made.against_parent
    return [
        ("rows/s", f"{found.rows_per_s:,.0f}", f"{found.parent_rows_per_s:,.0f}"),
        ("own files, MB", *(f"{one.disk / MEGABYTE:,.1f}" for one in (found.size, found.parent_size))),
        ("weights in memory, MB", *(f"{one.memory / MEGABYTE:,.1f}" for one in (found.size, found.parent_size))),
    ]


def _values(made: "Quantised") -> dict[str, Any]:
    from assay.schema.records import to_jsonable  # noqa: PLC0415

    found = made.against_parent
    return {
        "id": made.version.id,
        "parent": made.version.parent,
        "dtype": made.version.dtype,
        "calibrator": made.version.calibration.calibrator,
        "threshold": made.version.decision.threshold,
        "speedup": found.rows_per_s / found.parent_rows_per_s,
        "against_parent": to_jsonable(found),
        **evaluation_values(made.evaluation),
    }
