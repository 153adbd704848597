"""`assay data next` and `assay label queue make`: what is labelled next."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, cast, get_args

import typer

from assay.cli.opening import open_workspace
from assay.cli.options import CriterionArgument, JsonOption, WorkspaceOption
from assay.cli.progress import progress
from assay.cli.queues import say_queue
from assay.cli.screen import Screen
from assay.schema.errors import InputError, shown

if TYPE_CHECKING:
    from assay.api.labelling import Asked
    from assay.labelling.queues import QueuePlan

CriterionOption: TypeAlias = Annotated[str, typer.Option(help="The name of a file in criteria/.")]
BudgetOption: TypeAlias = Annotated[int, typer.Option(metavar="N", help="How many examples to draw.")]
ByOption: TypeAlias = Annotated[
    str, typer.Option(help="uniform, uncertainty, disagreement (with the judge or an LLM) or coverage (of slices).")
]
JudgeOption: TypeAlias = Annotated[
    str | None, typer.Option(metavar="REF", help="The judge whose doubt counts; it judges the pool first.")
]
VerdictsOption: TypeAlias = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Its verdicts, where it has judged already (assay judge … -o FILE).")
]
AgainstOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Verdicts to compare with, such as an LLM's; by default the stored labels."),
]
SliceOption: TypeAlias = Annotated[
    str | None, typer.Option("--slice", metavar="KEY", help="Of coverage: a key of meta, or source, turns, length.")
]
PoolOption: TypeAlias = Annotated[
    str, typer.Option(help="unlabelled: without an expert's label; labelled: with one, to look again.")
]
SourceOption: TypeAlias = Annotated[
    str | None, typer.Option(help="Only texts of this source: production, synthetic or expert.")
]
AnyImportOption: TypeAlias = Annotated[
    bool, typer.Option("--any-import", help="Also examples that were imported for other criteria.")
]
UniformOption: TypeAlias = Annotated[
    float, typer.Option(metavar="SHARE", help="Of the drawing that is uniform in any case; above 0.")
]
OverlapOption: TypeAlias = Annotated[
    float, typer.Option(metavar="SHARE", help="Of the examples that go to several labellers.")
]
EachOption: TypeAlias = Annotated[int, typer.Option("--labellers-each", metavar="K", help="To how many of them.")]
ConsiderOption: TypeAlias = Annotated[
    int | None, typer.Option(metavar="M", help="Score only so many of the pool, drawn uniformly.")
]
SeedOption: TypeAlias = Annotated[int, typer.Option(help="Of the drawing.")]
QueueNameOption: TypeAlias = Annotated[
    str | None, typer.Option("--name", help="Of the queue; by default CRITERION-1, -2, …")
]
ShowHintsOption: TypeAlias = Annotated[
    bool, typer.Option("--not-blind", help="Show labellers what drew an example; they will follow it.")
]


def next_to_label(
    criterion: CriterionOption,
    budget: BudgetOption,
    by: ByOption = "uniform",
    judge: JudgeOption = None,
    verdicts: VerdictsOption = None,
    against: AgainstOption = None,
    slice: SliceOption = None,  # noqa: A002 - the word users write
    pool: PoolOption = "unlabelled",
    source: SourceOption = None,
    any_import: AnyImportOption = False,
    uniform_share: UniformOption = 0.25,
    overlap: OverlapOption = 0.2,
    labellers_each: EachOption = 2,
    consider: ConsiderOption = None,
    seed: SeedOption = 0,
    name: QueueNameOption = None,
    not_blind: ShowHintsOption = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Choose what to label next: a budget in, a queue out, with what it can be expected to bring.

    Each example is drawn with a known probability, part of them uniformly in any case, so that estimates hold for the
    whole pool. Uniform is the default: whether another drawing teaches a judge more depends on the data.

    Example: assay data next --criterion advice --budget 200 --by uncertainty --judge advice@champion
    """
    from assay.schema.records import to_jsonable  # noqa: PLC0415

    screen = Screen(json_wanted=json)
    plan = _plan(
        by,
        pool,
        source,
        budget=budget,
        any_import=any_import,
        uniform_share=uniform_share,
        consider=consider,
        name=name,
        overlap_share=overlap,
        labellers_each=labellers_each,
        seed=seed,
        blind=not not_blind,
    )
    with open_workspace(workspace) as here, progress("judging the pool") as report:
        asked = _asked(judge, verdicts, against, slice)
        queue, gain = here.labelling.next(here.criterion(criterion), plan, asked, report)
    say_queue(screen, queue)
    screen.say(f"Expected: {gain.sentence()}")
    screen.say("Next: assay label serve")
    screen.done({"queue": to_jsonable(queue), "expected_gain": {**to_jsonable(gain), "sentence": gain.sentence()}})


def make(
    criterion: CriterionArgument,
    ids: Annotated[Path, typer.Option(metavar="FILE", help="Rows with id, and perhaps score, hint and settle.")],
    pool: PoolOption = "unlabelled",
    overlap: OverlapOption = 0.2,
    labellers_each: EachOption = 2,
    name: QueueNameOption = None,
    not_blind: ShowHintsOption = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Make a queue of the examples that a file lists, such as an audit's suspects. `assay data next` draws one.

    Example: assay label queue make advice --ids suspects.jsonl --pool labelled
    """
    from assay.api.labelling import read_listed  # noqa: PLC0415
    from assay.schema.records import to_jsonable  # noqa: PLC0415

    screen = Screen(json_wanted=json)
    listed = read_listed(ids)
    plan = _plan(
        "list",
        pool,
        None,
        any_import=True,
        budget=max(len(listed), 1),
        overlap_share=overlap,
        labellers_each=labellers_each,
        name=name,
        blind=not not_blind,
    )
    with open_workspace(workspace) as here:
        queue = here.labelling.make_listed(here.criterion(criterion), plan, listed)
        may_settle = any(one.adjudicates and one.removed_at is None for one in here.labelling.labellers())
    say_queue(screen, queue)
    if queue.disputed:
        screen.say(f"{queue.disputed:,} of them have labels that differ: an adjudicator sees these side by side")
    if queue.disputed and not may_settle:
        screen.say("Next: assay label labellers add NAME --adjudicates")
    screen.say("Next: assay label serve")
    screen.done(to_jsonable(queue))


def _plan(by: str, pool: str, source: str | None, *, any_import: bool, **rest: Any) -> "QueuePlan":
    from assay.ingest.mapping import meant  # noqa: PLC0415
    from assay.labelling.queues import QueuePlan  # noqa: PLC0415
    from assay.schema.example import ExampleSource  # noqa: PLC0415
    from assay.store.labelling.queues import PoolFilter, PoolKind, Strategy  # noqa: PLC0415

    for option, given, known in (
        ("--by", by, get_args(Strategy)),
        ("--pool", pool, get_args(PoolKind)),
        ("--source", source, get_args(ExampleSource)),
    ):
        if given is not None and given not in known:
            raise InputError(f"{option} is unknown.", required=meant(given, known), got=shown(given))
    wanted = PoolFilter(kind=cast(Any, pool), source=cast(Any, source), imported_for=not any_import)
    return QueuePlan(by=cast(Any, by), pool=wanted, **rest)


def _asked(judge: str | None, verdicts: Path | None, against: Path | None, slice_key: str | None) -> "Asked":
    from assay.api.labelling import Asked  # noqa: PLC0415

    return Asked(judge=judge, verdicts=verdicts, against=against, slice_key=slice_key)
