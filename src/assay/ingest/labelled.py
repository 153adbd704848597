"""The rows of a file read as labelled examples: what an import writes and a check counts.

`Reading(path, criterion, settings)` is iterated once; it yields `Labelled` and keeps count of the malformed rows, which
go to the set-aside file when there is one. Knows nothing of the store.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from assay.ingest.examples import example_of
from assay.ingest.exchange.asked import Account, Asked
from assay.ingest.exchange.formats import AnyFormat, exchange_format, read_exchange
from assay.ingest.labels import SUMMARY_LABEL_KEY, UnknownLabelError, labels_of, summary_label
from assay.ingest.mapping import FieldMapping, at_path, look, meant
from assay.ingest.row import MalformedRow, ReadRow, Row
from assay.ingest.rows import Format, read_rows
from assay.ingest.set_aside import SetAside
from assay.schema.criterion import Criterion
from assay.schema.errors import ConflictError, InputError, shown
from assay.schema.example import Example
from assay.schema.label import Label

MAX_MALFORMED_SHARE = 0.05
FIRST_PROBLEMS = 5  # shown; all of them are in the set-aside file
_MAX_VALUES = 1_000  # distinct unknown labels that are counted


@dataclass(frozen=True, kw_only=True)
class ImportSettings:
    """How a file is read and how much of it may be malformed.

    `max_malformed_share` is the share of all rows, in [0, 1); at 0 one malformed row refuses the file. `set_aside_dir`
    takes the file with the malformed rows.
    """

    mapping: FieldMapping
    set_aside_dir: Path
    format: AnyFormat | None = None
    max_malformed_share: float = MAX_MALFORMED_SHARE

    def __post_init__(self) -> None:
        if not 0 <= self.max_malformed_share < 1:
            raise InputError(
                "The share of malformed rows that is accepted is out of range.",
                required="a number from 0 up to, not including, 1",
                got=shown(self.max_malformed_share),
            )


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Why a row was set aside."""

    line: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """One example with its labels and the line of the file it stands on."""

    line: int
    example: Example
    labels: tuple[Label, ...]


@dataclass(kw_only=True)
class Reading:
    """One pass over a file. The counts are complete when the iteration is; `account` is that of another tool's file."""

    path: Path
    criterion: Criterion
    mapping: FieldMapping
    format: AnyFormat | None = None
    set_aside: SetAside | None = None
    rows: int = 0
    malformed: int = 0
    problems: list[Problem] = field(default_factory=list)  # the first few
    unknown_labels: Counter[str] = field(default_factory=Counter)
    unsourced_rows: int = 0  # well-formed rows that do not say where their text is from: the mapping's source holds
    undated_labels: int = 0
    account: Account | None = None

    def __post_init__(self) -> None:
        self.mapping.check_labels(self.criterion)
        self._unseen = set(self.mapping.columns.values())
        self._columns: set[str] = set()
        self._lines: dict[str, tuple[int, bytes]] = {}  # example id → line, content digest
        self._given: dict[tuple[str, str], str] = {}  # example id, labeller → label

    def __iter__(self) -> Iterator[Labelled]:
        """The well-formed rows. Raises ConflictError: one id with two texts; AssayError of `read_rows`."""
        for row in self._read():
            self.rows += 1
            if isinstance(row, MalformedRow):
                self._put_aside(row.number, row.reason, row.raw)
            elif (labelled := self._labelled(row)) is not None:
                yield labelled

    def _read(self) -> Iterator[ReadRow]:
        exchange = exchange_format(self.path, self.format)
        if exchange is not None:
            self.account = Account(format=exchange)
            asked = Asked(criterion=self.criterion, mapping=self.mapping)
            return read_exchange(self.path, exchange, asked, self.account)
        if self.mapping.question is not None:
            raise InputError(
                "Only files of other tools answer several questions.",
                required="a file of one of them, or no --question",
                got=shown(self.mapping.question),
                next_step="name the label's column with --field label=COLUMN",
            )
        return read_rows(self.path, cast(Format | None, self.format))

    def _labelled(self, row: Row) -> Labelled | None:
        self._note_columns(row.values)
        try:
            labelled = labelled_of(row, self.mapping, self.criterion)
            self._refuse_two_texts(labelled)
            self._refuse_two_labels(labelled)
        except InputError as error:
            if isinstance(error, UnknownLabelError) and len(self.unknown_labels) < _MAX_VALUES:
                self.unknown_labels[error.label] += 1
            self._put_aside(row.number, _reason(error), row.values)
            return None
        self.unsourced_rows += look(row.values, "source", self.mapping) is None
        self.undated_labels += sum(label.created_at is None for label in labelled.labels)
        return labelled

    def _note_columns(self, values: dict[str, Any]) -> None:
        self._unseen -= {column for column in self._unseen if at_path(values, column) is not None}
        if len(self._columns) < _MAX_VALUES:
            self._columns |= values.keys()

    def _put_aside(self, line: int, reason: str, row: Any) -> None:
        self.malformed += 1
        if len(self.problems) < FIRST_PROBLEMS:
            self.problems.append(Problem(line=line, reason=reason))
        if self.set_aside is not None:
            self.set_aside.add(line, reason, row)

    def _refuse_two_texts(self, labelled: Labelled) -> None:
        digest = bytes.fromhex(labelled.example.content_digest)
        line, known = self._lines.setdefault(labelled.example.id, (labelled.line, digest))
        if known != digest:
            raise ConflictError(
                f"The id {shown(labelled.example.id)} stands for two texts.",
                required="one text for one id",
                got=f"different texts on lines {line} and {labelled.line} of {self.path.name}",
                next_step="give one of them another id, or leave the ids out (they are then made from the text)",
            )

    def _refuse_two_labels(self, labelled: Labelled) -> None:
        """Without a date there is no telling which of one labeller's two answers is the newer one."""
        for label in labelled.labels:
            given = self._given.setdefault((label.example_id, label.labeller), label.value)
            if given != label.value and label.created_at is None:
                raise InputError(
                    f"Labeller {shown(label.labeller)} gave example {shown(label.example_id)} another label before.",
                    required="one label of each labeller, or the dates of both (labelled_at)",
                    got=f"{shown(given)}, then {shown(label.value)}",
                )

    def check_complete(self) -> None:
        """After the last row: there were rows, and every mapped column was seen. Raises InputError."""
        if not self.rows:
            raise InputError(f"{shown(str(self.path))} holds no rows.", required="at least one row")
        for column in sorted(self._unseen):
            raise InputError(
                f"No row of {self.path.name} has the column {shown(column)}.",
                required=meant(column, sorted(self._columns)),
                next_step="correct the mapping",
            )

    def unknown_label_hint(self) -> str:
        """Which labels to map, most frequent first; empty when all were known."""
        options = (
            f"--map-label {shown(f'{label}={self._likely(label)}')} ({count:,} rows)"
            for label, count in self.unknown_labels.most_common(3)
        )
        return ", ".join(options)

    def _likely(self, label: str) -> str:
        by_plain_form = {_plain(name): name for name in self.criterion.labels}
        return by_plain_form.get(_plain(label), "LABEL")


def labelled_of(row: Row, mapping: FieldMapping, criterion: Criterion) -> Labelled:
    """One row as a labelled example. Raises InputError naming the field."""
    example = example_of(row.values, mapping, criterion)
    labels = labels_of(row.values, mapping, criterion, example.id)
    summary = summary_label(row.values, mapping)
    if summary is not None:
        example = replace(example, meta={**example.meta, SUMMARY_LABEL_KEY: summary})
    return Labelled(line=row.number, example=example, labels=labels)


def _plain(label: str) -> str:
    return "".join(char for char in label.casefold() if char.isalnum())


def _reason(error: InputError) -> str:
    parts = [error.problem.rstrip(".")]
    parts += [f"required: {error.required}"] if error.required else []
    parts += [f"got: {error.got}"] if error.got else []
    return "; ".join(parts)
