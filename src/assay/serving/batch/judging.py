"""The batch way in: a file in, the same rows with verdicts out, in input order.

`judge_file(judge, Path("in.jsonl"), Path("out.jsonl"), BatchSettings())` streams in constant memory from and to JSONL,
CSV and Parquet, or standard input and output (None). Rows that cannot be read or hold nothing to judge are set aside in
`<out>.rejected.jsonl`; a verdict that failed is a row of the output. Killed at any moment and called again, it goes on
from what is on disk, without a lost or doubled row. Knows neither models nor labels.
"""

import contextlib
import itertools
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from assay.ingest.rows import row_count
from assay.judging.judge import Judge
from assay.schema.errors import InputError, RefusedError
from assay.schema.verdict import Verdict
from assay.serving.batch.journal import Journal, Source, Task
from assay.serving.batch.judgeable import Judgeable, ReadyRow, Rejected
from assay.serving.batch.pace import OnProgress, Pace
from assay.serving.batch.part_files import PartFiles, PartPaths, publish, starting_point
from assay.serving.batch.plan import BatchPlan, is_zipped, plan_of
from assay.serving.batch.result import BatchResult, Tally
from assay.serving.batch.settings import BatchSettings
from assay.serving.batch.sole_writer import sole_writer
from assay.serving.batch.stream_output import StreamOutput

_WINDOW_CHARS = 32 << 20  # of long rows fewer are held at once


class Output(Protocol):
    """Where judged rows go: `PartFiles` or `StreamOutput`."""

    tally: Tally

    def write(self, line: bytes, verdict: Verdict) -> None:
        """One judged row."""
        ...

    def set_aside(self, row: Rejected) -> None:
        """One row that was not judged."""
        ...

    def end_window(self) -> None:
        """The rows of a window are written."""
        ...


def judge_file(
    judge: Judge,
    source: Path | None,
    destination: Path | None,
    settings: BatchSettings,
    on_progress: OnProgress | None = None,
) -> BatchResult:
    """Judge a file; `source` None is standard input, `destination` None standard output.

    Raises, with nothing final written: NotFoundError, InputError, IntegrityError (the input, the options, the disk),
    ConflictError (the output is there; an interrupted run was of another input, judge or options; another process is
    writing it), RefusedError (no row could be judged, or too many were set aside or failed). Towards a closed standard
    output BrokenPipeError.
    """
    plan = plan_of(judge, source, destination, settings)
    with _disk_named():
        pace = Pace(None if on_progress is None else row_count(source, plan.format_in), on_progress)
        return _to_stream(judge, plan, pace) if destination is None else _to_file(judge, plan, destination, pace)


def _to_file(judge: Judge, plan: BatchPlan, destination: Path, pace: Pace) -> BatchResult:
    paths = PartPaths.of(destination, plain_jsonl=plan.format_out == "jsonl" and not is_zipped(destination))
    with sole_writer(paths.lock, destination):
        journal = starting_point(paths, _task(judge, plan), plan.settings)
        pace.begin(journal.tally.rows)
        if journal.phase == "judging":
            with PartFiles(paths, journal) as parts:
                _judge_all(judge, plan, parts, pace)
                journal = parts.commit()
            _refuse_failures(journal.tally, plan.settings, paths)
            journal = _made_ready(plan, journal, paths)
        publish(paths, journal, overwrite=plan.settings.overwrite)
    return _result(judge, journal.tally, pace, destination, paths.rejected if journal.tally.set_aside else None)


def _to_stream(judge: Judge, plan: BatchPlan, pace: Pace) -> BatchResult:
    deliver = None if plan.format_out == "jsonl" else plan.deliver_text
    with StreamOutput(plan.source, deliver) as output:
        _judge_all(judge, plan, output, pace)
        rejected = output.finish()
    _refuse_over_share(output.tally, plan.settings.max_failed_share, "correct them; the output is written")
    return _result(judge, output.tally, pace, None, rejected)


def _judge_all(judge: Judge, plan: BatchPlan, output: Output, pace: Pace) -> None:
    done, size = output.tally.rows, plan.settings.window_rows
    rows = plan.preparation.ready(itertools.islice(plan.rows, done, None))
    # the first window ends where it would have ended without an interruption
    for window in windows(rows, size - done % size, size):
        judgeable = [row for row in window if isinstance(row, Judgeable)]
        verdicts = zip(judgeable, judge.judge_many([row.example for row in judgeable], pace.advance), strict=True)
        for row in window:
            if isinstance(row, Rejected):
                output.set_aside(row)
            else:
                _, verdict = next(verdicts)
                output.write(plan.line(row, verdict), verdict)
        output.end_window()
        pace.reach(output.tally.rows)


def windows(rows: Iterator[ReadyRow], first_rows: int, size_rows: int) -> Iterator[list[ReadyRow]]:
    """The rows by windows: the first of at most `first_rows`, the others of `size_rows`, fewer where they are long."""
    window: list[ReadyRow] = []
    chars, limit = 0, first_rows
    for row in rows:
        window.append(row)
        chars += row.size_chars
        if len(window) >= limit or chars >= _WINDOW_CHARS:
            yield window
            window, chars, limit = [], 0, size_rows
    if window:
        yield window


def _task(judge: Judge, plan: BatchPlan) -> Task:
    return Task(
        source=None if plan.source is None else Source.of(plan.source),
        judge=judge.id,
        settings_digest=plan.settings.digest(plan.format_in, plan.format_out),
    )


def _made_ready(plan: BatchPlan, journal: Journal, paths: PartPaths) -> Journal:
    if paths.ready != paths.part:
        plan.deliver(paths.part, paths.ready, zipped=is_zipped(paths.output))
        with paths.ready.open("rb") as file:
            os.fsync(file.fileno())
    ready = replace(journal, phase="ready")
    if plan.source is not None:
        ready.write(paths.journal)
    return ready


def _refuse_failures(tally: Tally, settings: BatchSettings, paths: PartPaths) -> None:
    if tally.rows and tally.set_aside == tally.rows:
        with paths.rejected_part.open("rb") as file:
            first = json.loads(file.readline())
        paths.remove_parts()
        raise RefusedError(
            f"None of the {tally.rows:,} rows can be judged; nothing was written.",
            got=f"line {first['line']}: {first['reason']}",
            next_step="name the judged columns with --field FIELD=COLUMN, or correct the rows",
        )
    hint = f"correct them; they are in {paths.part} and {paths.rejected_part}"
    hint += ", and the same command with a greater share finishes at once" if paths.journal.exists() else ""
    _refuse_over_share(tally, settings.max_failed_share, hint)


def _refuse_over_share(tally: Tally, max_share: float, next_step: str) -> None:
    if tally.failed_share <= max_share:
        return
    raise RefusedError(
        f"{tally.set_aside:,} of {tally.rows:,} rows were set aside and {tally.failed:,} failed.",
        required=f"at most {max_share:.1%} of the rows",
        got=f"{tally.failed_share:.1%}",
        next_step=next_step,
    )


def _result(judge: Judge, tally: Tally, pace: Pace, output: Path | None, rejected: Path | None) -> BatchResult:
    counts = {**dict.fromkeys(judge.criterion.labels, 0), **tally.by_label}
    return BatchResult(
        judge=judge.id,
        rows_per_s=pace.rows_per_s,
        resumed_from=pace.first,
        output=output,
        rejected=rejected,
        **{**vars(tally), "by_label": counts},
    )


@contextlib.contextmanager
def _disk_named() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise InputError(
            "A file cannot be read or written.",
            got=str(error),
            next_step="correct that; the same command goes on where this run stopped",
        ) from error
