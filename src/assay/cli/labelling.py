"""`assay label serve | export`, `assay label queue …`, `assay label labellers …`, and `assay data next`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, cast, get_args

import typer

from assay.cli.opening import open_workspace
from assay.cli.options import JsonOption, WorkspaceOption
from assay.cli.progress import progress
from assay.cli.screen import Screen, estimate
from assay.schema.errors import InputError, shown

if TYPE_CHECKING:
    from assay.api.labelling import Asked
    from assay.labelling.queues import QueuePlan
    from assay.store.labelling.people import Labeller
    from assay.store.labelling.queues import Queue

CriterionArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="CRITERION", help="The name of a file in criteria/.")
]
CriterionOption: TypeAlias = Annotated[str, typer.Option(help="The name of a file in criteria/.")]
QueueArgument: TypeAlias = Annotated[str, typer.Argument(metavar="QUEUE", help="The name of a queue.")]
NameArgument: TypeAlias = Annotated[str, typer.Argument(metavar="NAME", help="Stands with every label they give.")]
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


def data_next(
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
    _say_queue(screen, queue)
    screen.say(f"Expected: {gain.sentence()}")
    screen.say("Next: assay label serve")
    screen.done({"queue": to_jsonable(queue), "expected_gain": {**to_jsonable(gain), "sentence": gain.sentence()}})


def queue_make(
    criterion: CriterionArgument,
    ids: Annotated[Path, typer.Option(metavar="FILE", help="Rows with id, and perhaps score and hint.")],
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
    _say_queue(screen, queue)
    screen.say("Next: assay label serve")
    screen.done(to_jsonable(queue))


def queue_list(workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """List the queues, oldest first.

    Example: assay label queue list
    """
    from assay.schema.records import to_jsonable  # noqa: PLC0415

    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here:
        found = here.labelling.queues()
    if found:
        screen.table(
            ("queue", "criterion", "by", "state", "examples", "done", "to settle", "pool"),
            [
                (
                    one.record.name,
                    one.record.criterion,
                    one.record.by,
                    "closed" if one.closed_at else "open",
                    f"{one.record.size:,}",
                    f"{one.finished:,}",
                    f"{one.disputed:,}",
                    f"{one.record.pool_size:,}",
                )
                for one in found
            ],
            numbers_from=4,
        )
    else:
        screen.say("There is no queue yet: assay data next --criterion CRITERION --budget N")
    screen.done({"queues": [to_jsonable(one) for one in found]})


def queue_show(queue: QueueArgument, workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """Show how far a queue is, who did what, and what its labels say of the whole pool.

    Example: assay label queue show advice-1
    """
    from assay.schema.records import to_jsonable  # noqa: PLC0415

    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here:
        found = here.labelling.standing(queue)
    _say_queue(screen, found.queue)
    screen.say(f"done {found.queue.finished:,} of {found.queue.record.size:,}, to settle {found.queue.disputed:,}")
    if found.members:
        screen.table(
            ("labeller", "answered", "skipped", "seconds each"),
            [
                (
                    who,
                    f"{one.labelled:,}",
                    f"{one.skipped:,}",
                    f"{one.seconds / one.labelled:.1f}" if one.labelled else "-",
                )
                for who, one in found.members.items()
            ],
        )
    for label, share in found.pool_shares.items():
        screen.say(f"share of {label} in the pool: {estimate(share.value, share.low, share.high)}, from {share.n:,}")
    if not found.pool_shares:
        screen.say("shares in the pool: not known (no labels yet, or a listed queue, which is no sample)")
    screen.done(to_jsonable(found))


def queue_close(queue: QueueArgument, workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """Take a queue off the page. Its labels stay, and what was not labelled may be drawn again.

    Example: assay label queue close advice-1
    """
    from assay.schema.records import to_jsonable  # noqa: PLC0415

    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here:
        closed = here.labelling.close(queue)
    screen.say(f"{queue} is closed: {closed.finished:,} of {closed.record.size:,} were done.")
    screen.done(to_jsonable(closed))


def labellers_add(
    name: NameArgument,
    source: Annotated[str, typer.Option(help="What their labels count as: expert, crowd, author, …")] = "expert",
    adjudicates: Annotated[
        bool, typer.Option("--adjudicates", help="May see all answers where labellers disagree, and decide.")
    ] = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Let someone label. Prints their secret, which is kept nowhere: hand it over now.

    Example: assay label labellers add mia --adjudicates
    """
    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here:
        labeller, secret = here.labelling.add_labeller(name, source=cast(Any, source), adjudicates=adjudicates)
    screen.say(f"{labeller.name} may sign in; their labels count as {labeller.source}.")
    screen.say(f"Secret, shown only this once: {secret}")
    screen.done({**_described(labeller), "secret": secret})


def labellers_list(workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """List who may label, and who no longer may.

    Example: assay label labellers list
    """
    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here:
        found = here.labelling.labellers()
    if found:
        screen.table(
            ("labeller", "labels count as", "adjudicates", "added", "removed"),
            [
                (
                    one.name,
                    one.source,
                    "yes" if one.adjudicates else "no",
                    one.created_at[:10],
                    (one.removed_at or "-")[:10],
                )
                for one in found
            ],
            numbers_from=9,
        )
    else:
        screen.say("Nobody yet: assay label labellers add NAME")
    screen.done({"labellers": [_described(one) for one in found]})


def labellers_remove(name: NameArgument, workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """End someone's sign-in. Their labels stay; adding them again makes a new secret.

    Example: assay label labellers remove mia
    """
    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here:
        here.labelling.remove_labeller(name)
    screen.say(f"{name} can sign in no more. Their labels stay.")
    screen.done({"removed": name})


def export(
    queue: QueueArgument,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="OUT", help="The JSONL file to write; QUEUE.jsonl otherwise.")
    ] = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Write the answered examples of a queue with all labels, notes, highlights and weights; importable again.

    Example: assay label export advice-1 -o advice-1.jsonl
    """
    from assay.schema.ids import canonical_json  # noqa: PLC0415

    screen = Screen(json_wanted=json)
    target = out or Path(f"{queue}.jsonl")
    with open_workspace(workspace) as here, progress(f"exporting {queue}") as report:
        partial = target.with_name(f".{target.name}.partial")
        rows = 0
        try:
            with partial.open("w", encoding="utf-8", errors="backslashreplace") as file:
                for row in here.labelling.export(queue):
                    file.write(canonical_json(row) + "\n")
                    rows += 1
                    report(rows, None)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
    screen.say(f"{rows:,} examples in {target}")
    screen.done({"rows": rows, "out": str(target)})


def serve(
    host: Annotated[
        str,
        typer.Option(help="The address to listen at; 127.0.0.1 is this machine alone. Beyond it, put TLS in front."),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes a free one.")] = 8600,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Serve the labelling page until interrupted (Ctrl+C).

    Example: assay label serve --port 8600
    """
    from assay.server.labelling import serve as serve_page  # noqa: PLC0415

    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here:
        if not any(one.removed_at is None for one in here.labelling.labellers()):
            screen.say("Nobody may sign in yet: assay label labellers add NAME", style="yellow")

        def ready(address: str) -> None:
            screen.say(f"Labelling: {address}  (Ctrl+C ends it)")
            screen.done({"address": address})

        serve_page(here.labelling.database, host, port, ready)


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


def _say_queue(screen: Screen, queue: "Queue") -> None:
    record = queue.record
    which = "with" if record.pool == "labelled" else "without"
    drawn = f"drawn by {record.by} from {record.pool_size:,} examples {which} an expert's label"
    how = "listed" if record.by == "list" else drawn
    screen.say(f"{record.name}: {record.size:,} examples for criterion {record.criterion}, {how}", style="bold")
    if record.by not in ("uniform", "list"):
        screen.say(f"{record.uniform_share:.0%} of the drawing is uniform; scored by {record.scored_by}")
    if record.labellers_each > 1 and record.overlap_share > 0:
        screen.say(f"{record.overlap_share:.0%} of them go to {record.labellers_each} labellers each")
    if not record.blind:
        screen.say("Not blind: labellers see what drew an example.", style="yellow")


def _described(labeller: "Labeller") -> dict[str, Any]:
    return {
        "name": labeller.name,
        "source": labeller.source,
        "adjudicates": labeller.adjudicates,
        "created_at": labeller.created_at,
        "removed_at": labeller.removed_at,
    }
