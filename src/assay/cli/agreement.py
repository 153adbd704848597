"""`assay data agreement`."""

from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.opening import open_workspace
from assay.cli.options import CriterionArgument, JsonOption, WorkspaceOption, words
from assay.cli.screen import Screen, estimate

if TYPE_CHECKING:
    from assay.datasets.agreement_report import AgreementReport

SHOWN = 10
TEXT_CHARS = 100


def agreement(
    criterion: CriterionArgument,
    source: Annotated[
        str, typer.Option(metavar="SOURCES", help="Labels of these sources only, such as expert,crowd.")
    ] = "",
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """How far labellers agree: overall, by slice, pair and month, labeller by labeller, and where they differ most.

    Example: assay data agreement advice --source expert
    """
    from assay.schema.records import to_jsonable  # noqa: PLC0415

    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here:
        found = here.truth.agreement(criterion, sources=words(source))
    _say_agreement(screen, found)
    screen.done(to_jsonable(found))


def _say_agreement(screen: Screen, found: "AgreementReport") -> None:
    screen.say(
        f"{found.examples:,} examples, {found.shared:,} of them with two labellers or more, "
        f"{found.labellers:,} labellers"
    )
    if not found.shared:
        screen.say("Agreement is not measured: no example has labels of two people.")
        return
    for name, one in found.overall.items():
        screen.say(f"{name.replace('_', ' ')}: {estimate(one.value, one.low, one.high)}")
    parts = [*found.by_version, *found.slices, *found.months]
    if parts:
        rows = [
            (one.key, one.value, one.alpha.n, estimate(one.alpha.value, one.alpha.low, one.alpha.high)) for one in parts
        ]
        screen.table(("part", "", "examples", "α"), rows, numbers_from=2)
    if found.pairs:
        screen.say("Pairs, the least agreeing first:")
        pairs = [
            (
                one.a,
                one.b,
                one.n,
                f"{one.same:.0%}",
                "-" if one.kappa is None else estimate(one.kappa.value, one.kappa.low, one.kappa.high),
            )
            for one in found.pairs[:SHOWN]
        ]
        screen.table(("labeller", "labeller", "examples", "same", "κ"), pairs, numbers_from=2)
    _say_labellers(screen, found)
    _say_disagreed(screen, found)


def _say_labellers(screen: Screen, found: "AgreementReport") -> None:
    if not found.quality:
        _say_incomparable(screen, found)
        return
    suspects = [one for one in found.quality if one.suspect]
    screen.say(
        f"{len(found.quality):,} labellers could be compared with the others; {len(suspects)} agree clearly less."
    )
    for one in suspects[:SHOWN]:
        screen.say(
            f"  {one.labeller}: {one.against_peers:+.2f} ({one.low:+.2f} to {one.high:+.2f}) against the others, "
            f"{one.n} answers"
        )
    drifted = [one for one in found.drift if one.suspect]
    for moved in drifted[:SHOWN]:
        screen.say(f"  {moved.labeller} changed over time: {moved.change:+.2f} ({moved.low:+.2f} to {moved.high:+.2f})")


def _say_incomparable(screen: Screen, found: "AgreementReport") -> None:
    from assay.metrics.agreement_labellers import MIN_ANSWERS  # noqa: PLC0415

    screen.say(
        f"No labeller could be compared with the others: that takes {MIN_ANSWERS} examples of theirs that two others "
        f"labelled too (of two people nobody can tell who is right); {found.with_others:,} examples have three "
        "labellers."
    )
    name = found.criterion.split("/")[0]
    screen.say(f"Next: assay data next --criterion {name} --overlap 1 --labellers-each 3 --budget {2 * MIN_ANSWERS}")


def _say_disagreed(screen: Screen, found: "AgreementReport") -> None:
    if not found.disagreed:
        return
    screen.say("Where they differ most:")
    for case in found.disagreed[:SHOWN]:
        votes = ", ".join(f"{count} {label}" for label, count in case.votes.items())
        screen.say(f"  {case.example} ({votes}): {' '.join(case.text.split())[:TEXT_CHARS]}")
    screen.say("Guidance that these touch:")
    lines = {label: line for case in found.disagreed[:SHOWN] for label, line in case.guidance.items()}
    for label, line in lines.items():
        screen.say(f"  {label}: {line}")
