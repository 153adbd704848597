"""`assay data import | check`: what a file brings, in earnest or only counted. Both take the same options.

Files of other tools (`assay.ingest.exchange`) are told from what is in them.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, cast, get_args

import typer

from assay.cli.opening import open_workspace
from assay.cli.options import JsonOption, WorkspaceOption, pairs
from assay.cli.progress import progress
from assay.cli.screen import Screen
from assay.schema.errors import InputError, shown

if TYPE_CHECKING:
    from assay.ingest.checking import FileCheck
    from assay.ingest.exchange.asked import Account
    from assay.ingest.importing import ImportResult
    from assay.ingest.mapping import FieldMapping

FileArgument: TypeAlias = Annotated[
    Path, typer.Argument(metavar="FILE", help="JSONL, CSV (both also .gz), Parquet, or a file of another tool.")
]
CriterionOption: TypeAlias = Annotated[str, typer.Option(help="The name of a file in criteria/.")]
FormatOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="jsonl, csv, parquet, label-studio, argilla, hf-dataset, promptfoo, deepeval, inspect or mlflow; else "
        "told from what is in the file."
    ),
]
FieldOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(metavar="TARGET=COLUMN", help="Read a field from another column; a dotted path reaches into objects."),
]
GroupOption: TypeAlias = Annotated[
    str | None, typer.Option(metavar="PATH", help="The column of what must not straddle splits, such as meta.trace.")
]
MapLabelOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(metavar="FROM=TO", help="What a label is called on the scale; an empty TO leaves such labels out."),
]
LabelSourceOption: TypeAlias = Annotated[
    str | None, typer.Option(help="Who decided the labels: expert, crowd, author, teacher, user or rule.")
]
LabellerOption: TypeAlias = Annotated[str | None, typer.Option(help="The labeller's name, where rows have none.")]
SourceOption: TypeAlias = Annotated[
    str | None,
    typer.Option(help="Of the texts, where rows do not say: production (the default), synthetic or expert."),
]
DateOption: TypeAlias = Annotated[str | None, typer.Option(help="When the labels were given (ISO 8601).")]
QuestionOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Of another tool's file: the question, metric, scorer or assertion that gives the labels."
    ),
]
KeepExtraOption: TypeAlias = Annotated[bool, typer.Option("--keep-extra", help="Keep unknown columns under meta.")]
MalformedOption: TypeAlias = Annotated[float, typer.Option(help="The share of malformed rows that is accepted.")]


def import_data(
    file: FileArgument,
    criterion: CriterionOption,
    format: FormatOption = None,  # noqa: A002 - the word users write
    question: QuestionOption = None,
    field: FieldOption = None,
    group: GroupOption = None,
    map_label: MapLabelOption = None,
    label_source: LabelSourceOption = None,
    labeller: LabellerOption = None,
    source: SourceOption = None,
    date: DateOption = None,
    keep_extra: KeepExtraOption = False,
    max_malformed: MalformedOption = 0.05,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Import a file of labelled examples, all of it or nothing. The same file again changes nothing.

    Malformed rows are set aside in a file with their line numbers and reasons.

    Example: assay data import rows.jsonl --criterion advice --label-source expert --field output=reply
    """
    from assay.schema.records import to_jsonable  # noqa: PLC0415

    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here:
        asked = here.criterion(criterion)
        mapping = _mapping(field, group, map_label, label_source, labeller, source, date, keep_extra, question)
        with progress(f"importing {file.name}") as report:
            result = here.import_data(
                file,
                asked,
                mapping,
                format=cast(Any, format),
                max_malformed_share=max_malformed,
                on_row=lambda rows: report(rows, None),
            )
    screen.say(
        f"{result.rows:,} rows: {result.new_examples:,} new examples, {result.new_labels:,} new labels"
        f" ({result.known_examples:,} examples and {result.known_labels:,} labels were here before)"
    )
    _say_account(screen, result.account)
    _say_origin(screen, result, source)
    if result.nothing_new:
        screen.say("Nothing new: all of it was imported before.")
    if result.malformed:
        screen.say(f"{result.malformed:,} malformed rows were set aside in {result.set_aside}", style="yellow")
        for problem in result.problems:
            screen.say(f"  line {problem.line}: {problem.reason}")
    screen.say(f"Next: assay data freeze {criterion}")
    screen.done(to_jsonable(result))


def check(
    file: FileArgument,
    criterion: CriterionOption,
    format: FormatOption = None,  # noqa: A002 - the word users write
    question: QuestionOption = None,
    field: FieldOption = None,
    group: GroupOption = None,
    map_label: MapLabelOption = None,
    label_source: LabelSourceOption = None,
    labeller: LabellerOption = None,
    source: SourceOption = None,
    date: DateOption = None,
    keep_extra: KeepExtraOption = False,
    max_malformed: MalformedOption = 0.05,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Say what an import of a file would bring. Writes nothing; takes the options of the import.

    Example: assay data check rows.csv --criterion advice --label-source crowd
    """
    from assay.schema.records import to_jsonable  # noqa: PLC0415

    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here:
        mapping = _mapping(field, group, map_label, label_source, labeller, source, date, keep_extra, question)
        found = here.check_data(
            file,
            here.criterion(criterion),
            mapping,
            format=cast(Any, format),
            max_malformed_share=max_malformed,
        )
    _say_account(screen, found.account)
    lengths = ", ".join(f"{name} {value:,}" for name, value in found.length_chars.items())
    screen.say(f"{found.rows:,} rows, {found.examples:,} examples, {found.unlabelled:,} of them without a label")
    screen.say(f"{found.labellers:,} labellers, {found.groups:,} groups, {found.duplicates:,} exact duplicates")
    screen.say(f"characters judged: {lengths or 'none'}")
    _say_origin(screen, found, source)
    screen.table(
        ("source", "label", "labels"),
        [(name, label, f"{count:,}") for name, counts in found.labels.items() for label, count in counts.items()],
        numbers_from=2,
    )
    if found.malformed:
        screen.say(f"{found.malformed:,} malformed rows; the first ones:", style="yellow")
        for problem in found.problems:
            screen.say(f"  line {problem.line}: {problem.reason}")
    screen.say("An import would take this file." if found.acceptable else "An import would refuse this file.")
    screen.done(to_jsonable(found))


def _say_origin(screen: Screen, found: "ImportResult | FileCheck", source: str | None) -> None:
    """What an import presumes, or leaves open, of where texts and labels are from."""
    if found.unsourced_rows and source is None:
        screen.say(
            f"{found.unsourced_rows:,} rows do not say where their text is from: taken as production (--source says "
            "otherwise)",
            style="yellow",
        )
    if found.undated_labels:
        screen.say(f"{found.undated_labels:,} labels have no date and stay undated (--date gives one)", style="yellow")


def _say_account(screen: Screen, account: "Account | None") -> None:
    if account is None:
        return
    of = "" if account.question is None else f"; labels from {account.question!r} (--question names another)"
    screen.say(f"Read as {account.format}{of}")
    if account.columns:
        screen.say("Columns understood: " + ", ".join(f"{column} → {name}" for name, column in account.columns.items()))
    for what, count in account.left_out.most_common():
        screen.say(f"Left out: {count:,} {what}", style="yellow")


def _mapping(
    field: list[str] | None,
    group: str | None,
    map_label: list[str] | None,
    label_source: str | None,
    labeller: str | None,
    source: str | None,
    date: str | None,
    keep_extra: bool,
    question: str | None,
) -> "FieldMapping":
    from assay.ingest.mapping import FieldMapping, meant  # noqa: PLC0415
    from assay.schema.example import ExampleSource  # noqa: PLC0415
    from assay.schema.label import LABEL_SOURCES  # noqa: PLC0415

    for option, given, known in (
        ("--label-source", label_source, LABEL_SOURCES),
        ("--source", source, get_args(ExampleSource)),
    ):
        if given is not None and given not in known:
            raise InputError(f"{option} is unknown.", required=meant(given, known), got=shown(given))
    columns = pairs(field or [], "--field") | ({} if group is None else {"group": group})
    renamed = pairs(map_label or [], "--map-label", last=True)
    return FieldMapping(
        columns=columns,
        labels={name: label or None for name, label in renamed.items()},
        labeller=labeller,
        label_source=cast(Any, label_source),
        labelled_at=date,
        source=cast(Any, source or "production"),
        keep_extra=keep_extra,
        question=question,
    )
