"""Importing: a file of labelled examples into the store, all of it or nothing.

`import_file(database, criterion, path, settings)` reads once, in constant memory but for the ids. Malformed rows are
set aside in a file and counted; over the accepted share nothing is imported. The same file again changes nothing and
says so. Knows no SQL.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeAlias

from assay.ingest.exchange.asked import Account
from assay.ingest.labelled import ImportSettings, Labelled, Problem, Reading
from assay.ingest.set_aside import SetAside
from assay.schema.criterion import Criterion
from assay.schema.errors import ConflictError, RefusedError
from assay.schema.example import Example
from assay.schema.ids import digest_file, digest_files, digest_json, new_id, utc_now
from assay.schema.label import Label
from assay.store import criteria, examples, imports
from assay.store.database import Database
from assay.store.examples import Added
from assay.store.imports import ImportRecord

Progress: TypeAlias = Callable[[int], None]  # called with the number of rows read so far
_Add: TypeAlias = Callable[[list[Example], list[Label], str], Added]
_BATCH_ROWS = 500
_NOT_COUNTS = ("import_id", "problems", "set_aside", "account")


@dataclass(frozen=True, kw_only=True)
class ImportResult:
    """What became of a file's rows. `import_id` is None when it brought nothing new; `problems` are the first few
    reasons. `unsourced_rows` do not say where their text is from, so that the mapping's source holds; `undated_labels`
    stay undated. `account` says what else another tool's file held.
    """

    import_id: str | None
    rows: int
    new_examples: int
    known_examples: int
    new_labels: int
    known_labels: int
    malformed: int
    problems: tuple[Problem, ...]
    set_aside: Path | None
    unsourced_rows: int = 0
    undated_labels: int = 0
    account: Account | None = None

    @property
    def nothing_new(self) -> bool:
        """True when all of it was in the store before."""
        return self.import_id is None


@dataclass(kw_only=True)
class _Counts:
    """Running sums over the batches."""

    new_examples: int = 0
    known_examples: int = 0
    new_labels: int = 0
    known_labels: int = 0

    def add(self, added: Added) -> None:
        """Add one batch."""
        self.new_examples += added.new_examples
        self.known_examples += added.known_examples
        self.new_labels += added.new_labels
        self.known_labels += added.known_labels


def import_file(
    database: Database,
    criterion: Criterion,
    path: Path,
    settings: ImportSettings,
    progress: Progress | None = None,
) -> ImportResult:
    """Import a file in one transaction.

    Raises, with nothing imported: NotFoundError, InputError, IntegrityError (the file), ConflictError (one id with two
    texts, in the file or against the store), RefusedError (too many malformed rows; the set-aside file is kept and
    named).
    """
    set_aside = SetAside(settings.set_aside_dir, f"{path.name.split('.')[0]}-malformed")
    reading = Reading(
        path=path,
        criterion=criterion,
        mapping=settings.mapping,
        format=settings.format,
        set_aside=set_aside,
    )
    try:
        with database.begin() as connection:
            criteria.record(connection, criterion)
            result = _import(partial(examples.add, connection), reading, settings, progress)
            if result.import_id is not None:
                imports.add(connection, _record(result, result.import_id, reading))
            return result
    finally:
        set_aside.discard()


def _import(add: _Add, reading: Reading, settings: ImportSettings, progress: Progress | None) -> ImportResult:
    import_id = new_id("imp")
    counts = _Counts()
    for batch in _batches(reading):
        counts.add(_added(add, reading, batch, import_id))
        if progress is not None:
            progress(reading.rows)
    reading.check_complete()
    kept = reading.set_aside.keep() if reading.set_aside is not None else None
    refuse_over_share(reading, settings.max_malformed_share, kept)
    return ImportResult(
        import_id=import_id if counts.new_examples or counts.new_labels else None,
        rows=reading.rows,
        malformed=reading.malformed,
        problems=tuple(reading.problems),
        set_aside=kept,
        unsourced_rows=reading.unsourced_rows,
        undated_labels=reading.undated_labels,
        account=reading.account,
        **vars(counts),
    )


def _batches(reading: Reading) -> Iterator[list[Labelled]]:
    rows = iter(reading)
    while batch := list(islice(rows, _BATCH_ROWS)):
        yield batch


def _added(add: _Add, reading: Reading, batch: list[Labelled], import_id: str) -> Added:
    labels = [label for labelled in batch for label in labelled.labels]
    try:
        return add([labelled.example for labelled in batch], labels, import_id)
    except ConflictError as error:
        lines = [f"line {item.line}" for item in batch if repr(item.example.id) in error.problem]
        raise ConflictError(
            error.problem,
            required=error.required,
            got=f"{', '.join(lines) or 'a row'} of {reading.path.name} against what was imported before",
            next_step=error.next_step,
        ) from None


def refuse_over_share(reading: Reading, max_share: float, set_aside: Path | None) -> None:
    """Raises RefusedError with the counts and the first reasons when more than `max_share` of the rows is malformed."""
    if reading.malformed <= max_share * reading.rows:
        return
    first = "; ".join(f"line {problem.line}: {problem.reason}" for problem in reading.problems)
    hint = reading.unknown_label_hint()
    correct = f"correct the rows (listed in {set_aside}) and import again" if set_aside else "correct the rows"
    raise RefusedError(
        f"{reading.malformed:,} of {reading.rows:,} rows of {reading.path.name} are malformed; nothing was imported.",
        required=f"at most {max_share:.1%} malformed rows",
        got=first,
        next_step=f"{hint}; or {correct}" if hint else correct,
    )


def _record(result: ImportResult, import_id: str, reading: Reading) -> ImportRecord:
    counts = {name: value for name, value in vars(result).items() if name not in _NOT_COUNTS}
    return ImportRecord(
        id=import_id,
        file_name=reading.path.name,
        file_digest=_digest(reading.path),
        criterion_key=reading.criterion.key,
        counts=counts,
        set_aside=None if result.set_aside is None else result.set_aside.name,
        created_at=utc_now(),
    )


def _digest(path: Path) -> str:
    """Of a file, or of all files in a folder with their names."""
    if path.is_file():
        return digest_file(path)
    files = {file.relative_to(path).as_posix(): file for file in path.rglob("*") if file.is_file()}
    return digest_json(digest_files(files))
