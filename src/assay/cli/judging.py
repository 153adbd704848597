"""`assay judge`: a file, or one text given on the command line."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, cast

import typer

from assay.cli.options import JsonOption, Ref, WorkspaceOption, pairs
from assay.cli.progress import progress
from assay.cli.screen import Screen
from assay.schema.errors import InputError

if TYPE_CHECKING:
    from assay.api.loaded_judge import LoadedJudge
    from assay.schema.verdict import Mode
    from assay.serving.batch import BatchResult, BatchSettings

READER_GONE = 141  # what a shell reports of a program that SIGPIPE ended

InArgument: TypeAlias = Annotated[
    str | None, typer.Argument(metavar="IN", help="JSONL, CSV (both also .gz) or Parquet; - is standard input.")
]
OutOption: TypeAlias = Annotated[
    Path | None, typer.Option("--out", "-o", metavar="OUT", help="The file to write; by default standard output.")
]
FormatOption: TypeAlias = Annotated[
    str | None, typer.Option(help="jsonl, csv or parquet; else told from the suffix, and jsonl for standard input.")
]
OutFormatOption: TypeAlias = Annotated[
    str | None, typer.Option(help="The same of OUT; else told from its suffix, and as IN for standard output.")
]
FieldOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(metavar="TARGET=COLUMN", help="Read a field from another column; a dotted path reaches into objects."),
]
VerdictFieldOption: TypeAlias = Annotated[
    str, typer.Option(metavar="NAME", help="The key of the verdict in JSONL, the prefix of its columns elsewhere.")
]
WindowOption: TypeAlias = Annotated[
    int, typer.Option(metavar="ROWS", help="Rows judged together; what a kill can cost is one window.")
]
MaxFailedOption: TypeAlias = Annotated[
    float, typer.Option(metavar="SHARE", help="Refuse when more of the rows were set aside or failed.")
]
ModeOption: TypeAlias = Annotated[
    str,
    typer.Option(help="single-token, verdict, or reasoning: an explanation after each verdict, if the judge has it."),
]
BackboneOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Where its backbone is on this machine; by default where assay.toml says."),
]
OverwriteOption: TypeAlias = Annotated[bool, typer.Option("--overwrite", help="Replace an OUT that is there.")]
RestartOption: TypeAlias = Annotated[
    bool, typer.Option("--restart", help="Begin at the first row, whatever an interrupted run has left.")
]
InputOption: TypeAlias = Annotated[
    str | None, typer.Option("--input", metavar="TEXT", help="Judge one text: its input.")
]
OutputOption: TypeAlias = Annotated[str | None, typer.Option("--output", metavar="TEXT", help="Its output.")]
ContextOption: TypeAlias = Annotated[str | None, typer.Option("--context", metavar="TEXT", help="Its context.")]
ReferenceOption: TypeAlias = Annotated[str | None, typer.Option("--reference", metavar="TEXT", help="Its reference.")]


def judge(
    ref: Ref,
    file: InArgument = None,
    out: OutOption = None,
    format: FormatOption = None,  # noqa: A002 - the word users write
    out_format: OutFormatOption = None,
    field: FieldOption = None,
    verdict_field: VerdictFieldOption = "verdict",
    window: WindowOption = 2048,
    max_failed: MaxFailedOption = 1.0,
    mode: ModeOption = "single-token",
    backbone: BackboneOption = None,
    overwrite: OverwriteOption = False,
    restart: RestartOption = False,
    input: InputOption = None,  # noqa: A002 - the word for this field everywhere in Assay
    output: OutputOption = None,
    context: ContextOption = None,
    reference: ReferenceOption = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Judge a file: its rows, in order, with a verdict each. Or judge one text given with --input and --output.

    All columns are carried along; labels are not read. Rows without anything to judge are set aside in
    OUT.rejected.jsonl. Killed at any moment, the same command goes on.

    Example: assay judge advice@champion answers.jsonl -o judged.jsonl
    """
    texts = {"input": input, "output": output, "context": context, "reference": reference}
    given = {name: text for name, text in texts.items() if text is not None}
    _check_one_way(file, given, out, json)
    if file is None:
        _judge_text(_loaded(ref, workspace, backbone), given, Screen(json_wanted=json), cast(Any, mode))
        return
    from assay.ingest.mapping import FieldMapping  # noqa: PLC0415
    from assay.serving.batch import BatchSettings  # noqa: PLC0415

    settings = BatchSettings(
        format_in=cast(Any, format or ("jsonl" if file == "-" else None)),
        format_out=cast(Any, out_format),
        mapping=FieldMapping(columns=pairs(field or [], "--field")),
        verdict_field=verdict_field,
        window_rows=window,
        max_failed_share=max_failed,
        mode=cast(Any, mode),
        overwrite=overwrite,
        restart=restart,
    )
    screen = Screen(json_wanted=json or out is None)
    try:
        result = _judge_file(_loaded(ref, workspace, backbone), file, out, settings)
    except BrokenPipeError:  # whoever read has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(READER_GONE) from None
    _say(screen, result)
    if json:
        from assay.schema.records import to_jsonable  # noqa: PLC0415

        screen.done(to_jsonable(result))


def _check_one_way(file: str | None, given: dict[str, str], out: Path | None, json: bool) -> None:
    if (file is None) == (not given):
        raise InputError(
            "Judge either a file or a text." if file is not None else "There is nothing to judge.",
            required="IN (a file, or - for standard input), or --input and --output",
            next_step="assay judge --help",
        )
    if file is None and out is not None:
        raise InputError("The verdict on one text is printed, not written.", next_step="leave -o away, or add --json")
    if file is not None and json and out is None:
        raise InputError("With --json standard output is taken by the summary.", next_step="give -o FILE")


def _loaded(ref: str, workspace: Path | None, backbone: Path | None) -> "LoadedJudge":
    from assay.api import load  # noqa: PLC0415

    return load(ref, workspace, backbone=backbone)


def _judge_file(loaded: "LoadedJudge", file: str, out: Path | None, settings: "BatchSettings") -> "BatchResult":
    from assay.serving.batch import judge_file  # noqa: PLC0415

    source = None if file == "-" else Path(file)
    with progress(f"judging {'standard input' if source is None else source.name}") as report:
        return judge_file(
            loaded.running.in_mode(settings.mode),
            source,
            out,
            settings,
            lambda moment: report(moment.rows_done, moment.rows_total),
        )


def _say(screen: Screen, result: "BatchResult") -> None:
    labels = ", ".join(f"{label} {count:,}" for label, count in result.by_label.items())
    screen.say(f"{result.rows:,} rows judged by {result.judge}: {labels}")
    if result.abstained:
        screen.say(f"{result.abstained:,} abstained")
    if result.truncated_rows:
        screen.say(f"{result.truncated_rows:,} were longer than the judge's window and were cut as it declares")
    if result.failed:
        screen.say(f"{result.failed:,} failed; they stand in the output with the reason", style="yellow")
    if result.set_aside:
        screen.say(f"{result.set_aside:,} were set aside, with reasons, in {result.rejected}", style="yellow")
    resumed = f", after {result.resumed_from:,} that were done before" if result.resumed_from else ""
    screen.say(f"{result.rows_per_s:,.0f} rows/s{resumed}")
    if result.output is not None:
        screen.say(f"Written: {result.output}")


def _judge_text(loaded: "LoadedJudge", given: dict[str, str], screen: Screen, mode: "Mode") -> None:
    from assay.ingest.examples import example_of  # noqa: PLC0415
    from assay.ingest.mapping import FieldMapping  # noqa: PLC0415
    from assay.schema.records import to_jsonable  # noqa: PLC0415
    from assay.schema.verdict import Abstained, Decided  # noqa: PLC0415

    verdict = loaded.running.judge(example_of(given, FieldMapping(), loaded.criterion), mode)
    if isinstance(verdict, Decided):
        screen.say(f"{verdict.label}, probability {verdict.probability:.3f}", style="bold")
    else:
        screen.say(f"{verdict.kind}: {verdict.reason}", style="yellow")
    if isinstance(verdict, (Decided, Abstained)):
        shares = ", ".join(f"{label} {share:.3f}" for label, share in verdict.probabilities.items())
        cut = f", {verdict.truncated_tokens:,} tokens cut" if verdict.truncated_tokens else ""
        screen.say(f"{shares}; {verdict.latency_ms:.0f} ms{cut}")
        if verdict.explanation:
            screen.say(f"{verdict.explanation}{' …' if verdict.explanation_cut else ''}")
    screen.say(f"judge: {verdict.judge}")
    screen.done(to_jsonable(verdict))
