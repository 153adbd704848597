"""The table of judge versions. Their folders belong to the registry."""

from sqlalchemy import Column, Connection, ForeignKey, String, Table, insert, select

from assay.schema.errors import ConflictError
from assay.schema.ids import short
from assay.schema.judge_version import JudgeVersion
from assay.store import criteria
from assay.store.tables import (
    KEY,
    check_key,
    from_text,
    lock,
    metadata,
    record_column,
    sequence_column,
    time_column,
    to_text,
)

judge_versions = Table(
    "judge_versions",
    metadata,
    sequence_column(),
    Column("id", KEY, nullable=False, unique=True),
    Column("name", KEY, nullable=False, index=True),
    Column("digest", String(64), nullable=False),
    Column("criterion_key", KEY, ForeignKey(criteria.criteria.c.key), nullable=False),
    Column("dataset", KEY, nullable=False),  # no reference: a judge may come from a machine whose datasets stayed there
    record_column(),
    time_column("created_at"),
)


def add(connection: Connection, version: JudgeVersion) -> None:
    """Record a version and its criterion; the same version again changes nothing. Raises ConflictError."""
    criteria.record(connection, version.criterion)
    lock(connection, judge_versions)
    known = connection.scalar(select(judge_versions.c.digest).where(judge_versions.c.id == version.id))
    if known is None:
        connection.execute(
            insert(judge_versions).values(
                id=check_key(version.id, "A judge's id"),
                name=version.name,
                digest=version.digest,
                criterion_key=version.criterion.key,
                dataset=version.dataset,
                record=to_text(version),
                created_at=version.created_at,
            )
        )
    elif known != version.digest:
        raise ConflictError(
            f"Two different judges have the name {version.id!r}.",
            required=f"digest {short(known)}… with the end …{known[-8:]}",
            got=f"the end …{version.digest[-8:]}",
            next_step="train again with another seed",
        )


def find(connection: Connection, name: str, digest_start: str) -> JudgeVersion | None:
    """The version of this name whose digest starts so (at least the 8 digits of an id); None when there is none."""
    matching = select(judge_versions.c.record).where(
        judge_versions.c.name == name, judge_versions.c.digest.startswith(digest_start, autoescape=True)
    )
    text = connection.scalar(matching)
    return None if text is None else from_text(JudgeVersion, text, where=f"judge {name}-{digest_start}")


def every(connection: Connection, name: str | None = None) -> tuple[JudgeVersion, ...]:
    """All versions, or those of one name, in the order in which they were recorded."""
    rows = select(judge_versions.c.record).order_by(judge_versions.c.sequence)
    if name is not None:
        rows = rows.where(judge_versions.c.name == name)
    return tuple(from_text(JudgeVersion, text, where="a judge of the database") for text in connection.scalars(rows))


def names(connection: Connection) -> tuple[str, ...]:
    """The names that have at least one version, sorted."""
    return tuple(connection.scalars(select(judge_versions.c.name).distinct().order_by(judge_versions.c.name)))
