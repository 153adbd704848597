"""`assay data hard-negatives | contrast` and `assay compare`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import typer

from assay.cli.opening import open_workspace
from assay.cli.options import CriterionArgument, JsonOption, WorkspaceOption, pairs
from assay.cli.progress import progress
from assay.cli.screen import Screen, estimate
from assay.schema.errors import InputError

if TYPE_CHECKING:
    from assay.api.hard_negatives import MinedQueue
    from assay.validation.contrast import AtRecall, ContrastComparison


def hard_negatives(
    criterion: CriterionArgument,
    budget: Annotated[int, typer.Option(metavar="N", help="How many examples to queue.")],
    judge: Annotated[
        str | None, typer.Option(metavar="REF", help="The judge whose false alarms are looked for; it judges the pool.")
    ] = None,
    verdicts: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Its verdicts, where it has judged already.")
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A teacher's verdicts, such as an LLM's; by default the stored labels."),
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Only texts of this source: production, synthetic or expert.")
    ] = None,
    any_import: Annotated[
        bool, typer.Option("--any-import", help="Also examples that were imported for other criteria.")
    ] = False,
    uniform_share: Annotated[
        float, typer.Option(metavar="SHARE", help="Of the queue that is drawn uniformly in any case; above 0.")
    ] = 0.25,
    neighbours: Annotated[int, typer.Option(metavar="K", help="Positive rows that a row's nearness is taken of.")] = 5,
    balance: Annotated[
        float, typer.Option(help="1 takes the hardest rows, however alike; 0 the most different ones.")
    ] = 0.5,
    consider: Annotated[
        int | None, typer.Option(metavar="M", help="Look at only so many of the pool, drawn uniformly.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the drawing.")] = 0,
    name: Annotated[str | None, typer.Option("--name", help="Of the queue; by default CRITERION-1, -2, …")] = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Mine unlabelled traffic for what a judge is likely to get wrong, and queue it for the experts.

    It looks near labelled positives, at what the judge flags, and where judge and teacher differ; never at what stands
    in a contrast set.

    Example: assay data hard-negatives advice --budget 200 --judge advice@candidate
    """
    from assay.api.labelling import Asked  # noqa: PLC0415
    from assay.datasets.hard_negatives.mining import MiningSettings  # noqa: PLC0415
    from assay.labelling.queues import QueuePlan  # noqa: PLC0415
    from assay.store.labelling.queues import PoolFilter  # noqa: PLC0415

    screen = Screen(json_wanted=json)
    plan = QueuePlan(
        budget=budget,
        by="hard-negatives",
        pool=PoolFilter(source=cast(Any, _known_source(source)), imported_for=not any_import),
        uniform_share=uniform_share,
        consider=consider,
        seed=seed,
        name=name,
    )
    settings = MiningSettings(neighbours=neighbours, balance=balance)
    with open_workspace(workspace) as here, progress(f"mining for {criterion}") as report:
        found = here.hard_negatives.mine(
            here.criterion(criterion),
            plan,
            Asked(judge=judge, verdicts=verdicts, against=against),
            settings,
            lambda stage, done, total: report(done, total),
        )
    _say_mined(screen, found)
    screen.done(_mined_values(found))


def contrast(
    criterion: CriterionArgument,
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="JSONL, CSV or Parquet; without one the sets are listed.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="Of the set; by default the file's.")] = None,
    field: Annotated[
        list[str] | None, typer.Option(metavar="TARGET=COLUMN", help="Read a field from another column.")
    ] = None,
    map_label: Annotated[
        list[str] | None, typer.Option(metavar="FROM=TO", help="What a label is called on the scale.")
    ] = None,
    texts_only: Annotated[
        bool, typer.Option("--texts-only", help="Read no labels: the texts are only kept out of training.")
    ] = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Register rows that judges are compared on. No mined queue and no freeze takes them or their near copies.

    Example: assay data contrast advice pairs.jsonl --name pairs
    """
    from assay.ingest.mapping import FieldMapping  # noqa: PLC0415
    from assay.schema.records import to_jsonable  # noqa: PLC0415

    screen = Screen(json_wanted=json)
    mapping = FieldMapping(
        columns=pairs(field or [], "--field"),
        labels={one: label or None for one, label in pairs(map_label or [], "--map-label", last=True).items()},
        label_source="author",
    )
    with open_workspace(workspace) as here:
        asked = here.criterion(criterion)
        if file is not None:
            made = here.contrast.register(asked, file, name=name, mapping=mapping, texts_only=texts_only)
            screen.say(f"{made.name}: {made.rows:,} rows are kept out of queues and datasets from now on.")
        sets = here.contrast.sets(asked)
    if sets:
        rows = [(one.name, f"{one.rows:,}", _labels(one.by_label), one.created_at[:10]) for one in sets]
        screen.table(("contrast set", "rows", "labels", "since"), rows)
    else:
        screen.say(f"There is no contrast set yet: assay data contrast {criterion} FILE")
    screen.done({"contrast_sets": [to_jsonable(one) for one in sets]})


def compare(
    before: Annotated[str, typer.Argument(metavar="BEFORE", help="A judge: NAME, NAME@ALIAS or NAME-DIGEST.")],
    after: Annotated[str, typer.Argument(metavar="AFTER", help="The judge to hold against it.")],
    contrast: Annotated[str, typer.Option(metavar="NAME", help="The contrast set: assay data contrast CRITERION.")],
    recall: Annotated[
        float | None, typer.Option(help="Where to compare; by default the recall of BEFORE at its own threshold.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the resampling.")] = 0,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """How many false alarms two judges raise on a contrast set where both find as many positive rows.

    Example: assay compare advice@champion advice@candidate --contrast pairs
    """
    from assay.schema.records import to_jsonable  # noqa: PLC0415

    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here, progress("judging the contrast set") as report:
        found = here.contrast.compare(before, after, contrast, recall=recall, seed=seed, on_judged=report)
    _say_comparison(screen, found)
    screen.done({**to_jsonable(found), "contrast": contrast, "fewer_false_alarms": found.fewer_false_alarms})


def _known_source(source: str | None) -> str | None:
    from assay.ingest.mapping import meant  # noqa: PLC0415
    from assay.schema.errors import shown  # noqa: PLC0415
    from assay.schema.example import ExampleSource  # noqa: PLC0415

    if source is not None and source not in get_args(ExampleSource):
        raise InputError("--source is unknown.", required=meant(source, get_args(ExampleSource)), got=shown(source))
    return source


def _say_mined(screen: Screen, found: "MinedQueue") -> None:
    record = found.queue.record
    mined = sum(found.mined.values())
    screen.say(f"{record.name}: {record.size:,} examples for criterion {record.criterion}", style="bold")
    screen.say(f"{mined:,} mined ({record.scored_by}), the others drawn uniformly from {record.pool_size:,}")
    screen.table(
        ("mined for", "candidates", "taken"),
        [(reason, f"{count:,}", f"{found.mined.get(reason, 0):,}") for reason, count in found.candidates.items()],
    )
    screen.say(f"{found.copies:,} candidates were left out: copies of labelled rows or of one another")
    for name, count in found.in_contrast.items():
        screen.say(
            f"{count:,} examples of the pool stand in the contrast set {name}: never taken",
            style="yellow" if count else None,
        )
    if not mined:
        screen.say("Nothing was worth mining; the queue is a plain uniform one.", style="yellow")
    screen.say("Next: assay label serve, then freeze, train, and assay compare BEFORE AFTER --contrast NAME")


def _mined_values(found: "MinedQueue") -> dict[str, Any]:
    from assay.schema.records import to_jsonable  # noqa: PLC0415

    return {
        "queue": to_jsonable(found.queue),
        "mined": dict(found.mined),
        "candidates": dict(found.candidates),
        "copies": found.copies,
        "in_contrast": dict(found.in_contrast),
        "positives": found.positives,
    }


def _say_comparison(screen: Screen, found: "ContrastComparison") -> None:
    screen.say(
        f"{found.before} against {found.after}: {found.positives:,} positive and {found.negatives:,} negative rows"
    )
    recall, alarms = found.shipped
    screen.say(f"As it ships, {found.before} finds {recall:.3f} and raises false alarms on {alarms:.3f}")
    screen.table(
        ("at recall", "false alarms before", "after", "difference", "relative change"),
        [_recall_row(one, f"{one.recall:.3f}{note}") for one, note in _recalls(found)],
    )
    screen.say(
        f"AUROC {estimate(found.auroc[0].value)} before, {estimate(found.auroc[1].value)} after: "
        f"{found.auroc_gain.value:+.3f} ({found.auroc_gain.low:+.3f} to {found.auroc_gain.high:+.3f})"
    )
    if found.left_out:
        screen.say(f"{found.left_out:,} rows were left out: one of the two could not judge them", style="yellow")
    for judge in found.unchecked:
        screen.say(f"{judge} was trained elsewhere: whether on rows of this set is not known", style="yellow")
    _say_shown(screen, found)


def _say_shown(screen: Screen, found: "ContrastComparison") -> None:
    sign = found.at.sign
    screen.say(f"Negative rows (or groups) with fewer alarms {sign.fewer:,}, with more {sign.more:,}: p = {sign.p:.2g}")
    if found.fewer_false_alarms:
        screen.say(
            "Fewer false alarms at equal recall: the interval of the difference lies below 0; so says the sign test.",
            style="bold green",
        )
    elif found.at.difference.high < 0:
        screen.say(
            "Fewer false alarms are not shown: the judges differ on too few rows (sign test, p < 0.05).", style="yellow"
        )
    else:
        screen.say(
            "Fewer false alarms are not shown: the interval of the difference holds 0, or lies above.", style="yellow"
        )


def _recalls(found: "ContrastComparison") -> "list[tuple[AtRecall, str]]":
    return [(found.at, " *"), *((one, "") for one in found.elsewhere)]


def _recall_row(one: "AtRecall", recall: str) -> tuple[str, ...]:
    moved = one.change
    change = "-" if moved is None else f"{moved.value:+.1%} ({moved.low:+.1%} to {moved.high:+.1%})"
    before, after = (estimate(side.value, side.low, side.high) for side in (one.before, one.after))
    apart = one.difference
    difference = f"{apart.value:+.3f} ({apart.low:+.3f} to {apart.high:+.3f})"
    return (recall, before, after, difference, change)


def _labels(by_label: Any) -> str:
    return ", ".join(f"{count:,} {label}" for label, count in by_label.items()) or "none (texts only)"
