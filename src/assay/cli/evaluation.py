"""`assay evaluate | gate | card`."""

import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.opening import open_workspace
from assay.cli.options import JsonOption, Ref, WorkspaceOption, words
from assay.cli.progress import progress
from assay.cli.screen import Screen, estimate

if TYPE_CHECKING:
    from assay.api.reports import Evaluation
    from assay.schema.gate import GateDecision
    from assay.validation.report import Measures

NOT_PASSED = 1


def evaluate(
    ref: Ref,
    llm_verdicts: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="A prompted LLM's verdicts on the test rows (id, label, probability), to compare with."
        ),
    ] = None,
    slices: Annotated[
        str | None,
        typer.Option(metavar="KEYS", help="Cut the test rows by these: keys of meta, source, turns, length."),
    ] = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Judge the judge on the test rows of its dataset: report, gates and card, all with intervals.

    Example: assay evaluate advice@candidate --llm-verdicts gpt.jsonl --slices topic,length
    """
    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here, progress("judging the test rows") as report:
        keys = None if slices is None else words(slices)
        found = here.evaluate(ref, llm_verdicts=llm_verdicts, slices=keys, on_judged=report)
    screen.table(("measure", "value (95 % interval)", *_rivals(found)), measure_rows(found))
    say_decision(screen, found.decision)
    llm = found.report.contender("llm-judge")
    if llm is not None:
        screen.say(f"llm-judge: {llm.what}, on {llm.n:,} of {found.report.answers.decided:,} decided test rows")
    screen.say(f"Card: {found.card}")
    screen.say(f"Next: assay promote {found.version.id}" if found.decision.passed else "Next: read the card")
    screen.done(evaluation_values(found))


def gate(
    ref: Ref,
    check: Annotated[bool, typer.Option("--check", help="End with status 1 when it may not be promoted.")] = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """May this judge be promoted? Decides from the stored report by the rules that assay.toml has now.

    Example: assay gate advice@candidate --check
    """
    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here:
        found = here.gate(ref)
    screen.table(
        ("gate", "passed", "measured", "required"),
        [
            (one.name, "yes" if one.passed else "no", estimate(one.measured, one.low, one.high), one.required)
            for one in found.decision.gates
        ],
        numbers_from=9,
    )
    say_decision(screen, found.decision)
    screen.done(_decision_values(found))
    if check and not found.decision.passed:
        raise typer.Exit(NOT_PASSED)


def card(
    ref: Ref,
    show: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Draw the judge card anew from the stored report, and print its path.

    Example: assay card advice@candidate --open
    """
    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here:
        found = here.gate(ref)
    screen.say(str(found.card))
    if show:
        webbrowser.open(found.card.as_uri())
    screen.done({"judge": found.version.id, "card": str(found.card)})


def measure_rows(found: "Evaluation") -> list[tuple[str, ...]]:
    """One row a measure: its name, the judge's value with interval, and each simpler contender's value."""
    from assay.validation.wording import measure_name  # noqa: PLC0415

    report = found.report
    rows = [
        (measure_name(name), _text(report.measures, name), *(_text(one.measures, name) for one in report.contenders))
        for name in report.measures
    ]
    blank = ("",) * len(report.contenders)
    rows.append(("Calibration error", estimate(report.calibration.ece.value), *blank))
    if report.expected_precision is not None:
        precision = report.expected_precision
        rows.append(("Precision in production", estimate(precision.value, precision.low, precision.high), *blank))
    return rows


def _rivals(found: "Evaluation") -> tuple[str, ...]:
    return tuple(contender.name for contender in found.report.contenders)


def _text(measures: "Measures", name: str) -> str:
    one = measures.get(name)
    return "-" if one is None else estimate(one.value, one.low, one.high)


def evaluation_values(found: "Evaluation") -> dict[str, Any]:
    """An evaluation as plain JSON values."""
    return {**_decision_values(found), **_measure_values(found)}


def say_decision(screen: Screen, decision: "GateDecision") -> None:
    """Whether a judge may be promoted, and why not."""
    if decision.passed:
        screen.say(f"{decision.judge} may be promoted.", style="bold green")
        return
    screen.say(f"{decision.judge} may not be promoted, because", style="bold yellow")
    for reason in decision.because:
        screen.say(f"  - {reason}")


def _decision_values(found: "Evaluation") -> dict[str, Any]:
    from assay.schema.records import to_jsonable  # noqa: PLC0415

    decision: dict[str, Any] = to_jsonable(found.decision)
    return {
        **decision,
        "may_be_promoted": found.decision.passed,
        "because": list(found.decision.because),
        "card": str(found.card),
        "report": str(found.report_file),
    }


def _measure_values(found: "Evaluation") -> dict[str, Any]:
    values = found.report.to_dict()
    return {
        "main_measure": values["main_measure"],
        "measures": values["measures"],
        "contenders": {one["name"]: one["measures"] for one in values["contenders"]},
        "contender_rows": {one["name"]: one["n"] for one in values["contenders"]},
        "slices": values["slices"],
        "calibration_error": values["calibration"]["ece"],
        "expected_precision": values["expected_precision"],
    }
