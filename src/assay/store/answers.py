"""The table of answers kept for their Idempotency-Key: the same request again gets the same answer, and runs once."""

from dataclasses import dataclass

from sqlalchemy import Column, ColumnElement, Connection, Integer, String, Table, Text, delete, select, update

from assay.schema.errors import ConflictError
from assay.schema.ids import utc_now
from assay.store.tables import KEY, insert_new, lock, metadata, time_column

answers = Table(
    "answers",
    metadata,
    Column("key", KEY, primary_key=True),
    Column("request_digest", String(64), nullable=False),
    Column("owner", KEY, nullable=False),
    Column("status", Integer, nullable=True),  # absent while the first request runs
    Column("body", Text, nullable=True),
    time_column("created_at"),
)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What was answered."""

    status: int
    body: str


def begin(connection: Connection, key: str, request_digest: str, *, owner: str, stale_before: str) -> Answer | None:
    """Claim a key for a request; the answer when it was answered already.

    A request that began before `stale_before` and never ended (its process is gone) is taken over. Raises ConflictError
    when the key stands for another request, or when the first one still runs.
    """
    lock(connection, answers)
    left = (answers.c.key == key) & answers.c.status.is_(None) & (answers.c.created_at < stale_before)
    connection.execute(delete(answers).where(left))
    row = {"key": key, "request_digest": request_digest, "owner": owner, "created_at": utc_now()}
    insert_new(connection, answers, [row])
    found = connection.execute(select(answers).where(answers.c.key == key)).one()
    if found.request_digest != request_digest:
        raise ConflictError(
            "This Idempotency-Key was used for another request.",
            required="one key for one request",
            next_step="use a new key for a new request",
        )
    if found.status is not None:
        return Answer(status=found.status, body=found.body)
    if found.owner != owner:
        raise ConflictError(
            "A request with this Idempotency-Key is still running.", next_step="send it again in a second"
        )
    return None


def finish(connection: Connection, key: str, answer: Answer, *, owner: str) -> None:
    """Keep the answer. Changes nothing where the key was taken over from its owner, here and below."""
    values = {"status": answer.status, "body": answer.body}
    connection.execute(update(answers).where(_running(key, owner)).values(values))


def abandon(connection: Connection, key: str, *, owner: str) -> None:
    """The request came to nothing worth keeping; the key is free again."""
    connection.execute(delete(answers).where(_running(key, owner)))


def _running(key: str, owner: str) -> ColumnElement[bool]:
    return (answers.c.key == key) & (answers.c.owner == owner) & answers.c.status.is_(None)


def forget_before(connection: Connection, created_at: str) -> int:
    """Delete answers that are older than a time. Returns how many."""
    return connection.execute(delete(answers).where(answers.c.created_at < created_at)).rowcount
