"""`assay criteria diff | sample`."""

import json as json_text
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from assay.cli.opening import open_workspace
from assay.cli.options import CriterionArgument, JsonOption, WorkspaceOption
from assay.cli.screen import Screen, estimate
from assay.cli.whole_file import write_whole

if TYPE_CHECKING:
    from assay.api.truth import CriterionChange

OldOption: TypeAlias = Annotated[
    str | None, typer.Option("--from", metavar="VERSION", help="The older version; by default the one before.")
]


def diff(
    criterion: CriterionArgument,
    old: OldOption = None,
    sample: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A relabelling sample that has been labelled anew.")
    ] = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """What moved between two versions of a criterion, what becomes of the old labels, and how many would flip.

    Example: assay criteria diff advice --from 1
    """
    from assay.schema.records import to_jsonable  # noqa: PLC0415

    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here:
        found = here.truth.diff(criterion, old, sample)
    _say_diff(screen, found)
    screen.done(
        {
            "old": found.old.key,
            "new": found.new.key,
            "moved": [to_jsonable(one) for one in found.moved],
            "labels": [to_jsonable(one) for one in found.fates],
            "flips": None if found.flips is None else to_jsonable(found.flips),
        }
    )


def sample(
    criterion: CriterionArgument,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="The sample (JSONL).")] = Path(
        "relabel.jsonl"
    ),
    size: Annotated[int, typer.Option(help="Examples in all; each old answer has at least ten.")] = 100,
    old: OldOption = None,
    seed: Annotated[int, typer.Option(help="Of the drawing.")] = 0,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Draw old labels to be given anew under the version in force, for an estimate of how many flip.

    Example: assay criteria sample advice --from 1 --size 100 -o relabel.jsonl
    """
    from assay.schema.records import to_jsonable  # noqa: PLC0415

    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here:
        drawn, examples = here.truth.relabelling_sample(criterion, size, old_version=old, seed=seed)
    lines = [
        json_text.dumps({"id": example.id, "sampled": to_jsonable(one), **example.content()}, ensure_ascii=False)
        for one, example in zip(drawn, examples, strict=True)
    ]
    write_whole(out, "".join(line + "\n" for line in lines))
    screen.say(f"{len(drawn):,} examples to label anew: {out}")
    screen.say(f"Next: assay label queue make {criterion} --ids {out}, label, then:")
    screen.say(f"      assay criteria diff {criterion} --sample {out}")
    screen.done({"file": str(out), "sampled": [to_jsonable(one) for one in drawn]})


def _say_diff(screen: Screen, found: "CriterionChange") -> None:
    screen.say(f"{found.old.key} → {found.new.key}")
    for one in found.moved:
        screen.say(one.what, style="bold")
        for line in one.lines:
            screen.say(f"  {line}")
    if not found.moved:
        screen.say("Nothing but the version differs.")
    rows = [
        (one.value, f"{one.labels:,}", "to be labelled anew" if one.becomes is None else one.becomes)
        for one in found.fates
    ]
    screen.table(("old label", "labels", "becomes"), rows)
    if found.flips is None:
        screen.say(f"How many would flip? assay criteria sample {found.new.name} --from {found.old.version}")
        return
    flips = found.flips
    screen.say(
        f"Of {flips.population:,} old labels {estimate(flips.all.value, flips.all.low, flips.all.high)} flip: about "
        f"{flips.expected.value:,.0f} ({flips.expected.low:,.0f} to {flips.expected.high:,.0f})"
    )
    table = [(value, one.n, estimate(one.value, one.low, one.high)) for value, one in flips.by_answer.items()]
    screen.table(("old label", "labelled anew", "flips"), table)
    if flips.unanswered:
        screen.say(f"{flips.unanswered:,} of the sample are not labelled anew yet.", style="yellow")
