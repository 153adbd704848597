"""The table of imports: which files came in, when, and what became of their rows."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Column, Connection, ForeignKey, String, Table, insert, select

from assay.store.criteria import criteria
from assay.store.tables import KEY, check_key, from_text, metadata, record_column, sequence_column, time_column, to_text

imports = Table(
    "imports",
    metadata,
    sequence_column(),
    Column("id", KEY, nullable=False, unique=True),
    Column("file_digest", String(64), nullable=False, index=True),
    Column("criterion_key", KEY, ForeignKey(criteria.c.key), nullable=False),
    record_column(),
    time_column("created_at"),
)


@dataclass(frozen=True, kw_only=True)
class ImportRecord:
    """One import. `file_name` has no folders; `set_aside` is the file of the malformed rows, None without any."""

    id: str
    file_name: str
    file_digest: str
    criterion_key: str
    counts: Mapping[str, int]
    set_aside: str | None
    created_at: str


def add(connection: Connection, record: ImportRecord) -> None:
    """Log an import."""
    connection.execute(
        insert(imports).values(
            id=check_key(record.id, "An import's id"),
            file_digest=record.file_digest,
            criterion_key=record.criterion_key,
            record=to_text(record),
            created_at=record.created_at,
        )
    )


def every(connection: Connection) -> tuple[ImportRecord, ...]:
    """All imports, oldest first."""
    rows = connection.scalars(select(imports.c.record).order_by(imports.c.sequence))
    return tuple(from_text(ImportRecord, text, where="an import of the database") for text in rows)


def by_file_digest(connection: Connection, file_digest: str) -> tuple[ImportRecord, ...]:
    """The imports of a file with this SHA-256, oldest first; empty when it never came in."""
    matching = select(imports.c.record).where(imports.c.file_digest == file_digest).order_by(imports.c.sequence)
    return tuple(from_text(ImportRecord, text, where="an import") for text in connection.scalars(matching))
