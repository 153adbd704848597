"""`assay data freeze | list`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from assay.cli.opening import open_workspace
from assay.cli.options import JsonOption, WorkspaceOption, words
from assay.cli.screen import Screen, estimate
from assay.schema.errors import InputError, shown

if TYPE_CHECKING:
    from assay.schema.dataset import DatasetVersion, Split


def freeze(
    criterion: Annotated[str, typer.Argument(metavar="CRITERION", help="The name of a file in criteria/.")],
    seed: Annotated[int, typer.Option(help="Of the division into splits.")] = 0,
    shares: Annotated[
        str | None, typer.Option(metavar="A,B,C,D", help="Of train, dev, calibration and test; sum 1.")
    ] = None,
    accept_labels: Annotated[
        str, typer.Option(metavar="SOURCES", help="Sources whose labels may decide test rows; a waiver beyond expert.")
    ] = "expert",
    min_test_per_class: Annotated[
        int | None, typer.Option(metavar="N", help="Test rows required of each class; a waiver under 100.")
    ] = None,
    consensus: Annotated[
        str, typer.Option(help="majority, or weighted: labellers count by how good they are (Dawid-Skene).")
    ] = "majority",
    ties: Annotated[
        str, typer.Option(help="out (for adjudication), or train: tied rows teach a judge trained with --targets soft.")
    ] = "out",
    accept_synthetic: Annotated[
        str, typer.Option(help="Synthetic rows that may stand in every split: none, imported or all. A waiver.")
    ] = "none",
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Freeze the labelled examples of a criterion into splits. The same rows and seed give the same dataset.

    Example: assay data freeze advice --accept-labels author,crowd
    """
    from assay.datasets.minimums import interval_bought  # noqa: PLC0415
    from assay.schema.records import to_jsonable  # noqa: PLC0415

    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here:
        dataset = here.freeze(
            criterion,
            seed=seed,
            shares=None if shares is None else _shares(shares),
            accept_labels=cast(Any, words(accept_labels)),
            min_test_per_class=min_test_per_class,
            consensus=cast(Any, consensus),
            ties=cast(Any, ties),
            accept_synthetic=cast(Any, accept_synthetic),
        )
    bought = interval_bought(min(dataset.counts["test"].values()))
    screen.say(f"{dataset.id} is frozen.")
    labels = dataset.criterion.labels
    screen.table(
        ("split", *labels, "rows"),
        [(split, *(of[label] for label in labels), sum(of.values())) for split, of in _in_order(dataset)],
    )
    screen.say(bought[:1].upper() + bought[1:] + ".")
    _say_provenance(screen, dataset)
    screen.say(f"Next: assay train {criterion}")
    screen.done({**to_jsonable(dataset), "interval_bought": bought})


def list_data(workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """List the criteria and the frozen datasets, oldest first.

    Example: assay data list
    """
    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here:
        datasets, criteria = here.datasets(), here.criteria()
    screen.say(f"criteria: {', '.join(criteria) or 'none yet (assay init --criterion NAME)'}")
    rows = [
        {
            "id": one.id,
            "criterion": one.criterion.key,
            "rows": sum(sum(of.values()) for of in one.counts.values()),
            "test": sum(one.counts["test"].values()),
            "seed": one.seed,
            "waiver": one.waiver is not None,
            "created_at": one.created_at,
        }
        for one in datasets
    ]
    if rows:
        screen.table(tuple(rows[0]), [tuple(row.values()) for row in rows], numbers_from=2)
    else:
        screen.say("No dataset is frozen yet: assay data freeze CRITERION")
    screen.done({"criteria": criteria, "datasets": rows})


def _shares(text: str) -> "dict[Split, float]":
    from assay.schema.dataset import FROZEN_SPLITS  # noqa: PLC0415

    try:
        numbers = [float(word) for word in words(text)]
        return dict(zip(FROZEN_SPLITS, numbers, strict=True))
    except ValueError:
        raise InputError(
            "--shares takes four numbers.", required=f"shares of {', '.join(FROZEN_SPLITS)}", got=shown(text)
        ) from None


def _in_order(dataset: "DatasetVersion") -> "list[tuple[Split, Mapping[str, int]]]":
    from assay.schema.dataset import SPLITS  # noqa: PLC0415

    return [(split, dataset.counts[split]) for split in SPLITS if split in dataset.counts]


def _say_provenance(screen: Screen, dataset: "DatasetVersion") -> None:
    sources = ", ".join(f"{count:,} by {source}" for source, count in dataset.deciding_sources["test"].items())
    screen.say(f"Test rows decided: {sources}")
    if dataset.waiver is not None:
        screen.say(
            f"Waiver: labels of {', '.join(dataset.waiver.accept_labels)} are accepted, from "
            f"{dataset.waiver.min_test_per_class} test rows of each class on; this stands on the judge card.",
            style="yellow",
        )
    if dataset.waiver is not None and dataset.waiver.synthetic != "none":
        screen.say(f"Waiver: {dataset.waiver.synthetic} synthetic rows may stand in every split.", style="yellow")
    for name, found in dataset.agreement.items():
        words_for = estimate(found["value"], found["low"], found["high"])
        screen.say(f"Labellers' agreement, {name.replace('_', ' ')}: {words_for}, on {found['n']:,.0f} examples")
    if not dataset.agreement:
        screen.say("Labellers' agreement: not measured, no example has two labellers")
    if dataset.synthetic:
        where = ", ".join(f"{count:,} in {split}" for split, count in dataset.synthetic.items())
        receipts = ", ".join(one.id for one in dataset.receipts)
        screen.say(f"Synthetic rows: {where}; receipts: {receipts or 'none'}")
    if dataset.tied:
        screen.say(f"Tied rows kept in train, for --targets soft: {dataset.tied:,}")
    dropped = {reason: count for reason, count in dataset.dropped.items() if count}
    screen.say(
        "Left out: " + ", ".join(f"{count:,} ({reason})" for reason, count in dropped.items())
        if dropped
        else "Left out: nothing"
    )
