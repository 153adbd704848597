"""The table of API keys. The key itself is never stored: only its SHA-256, which is enough for 256 random bits."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from sqlalchemy import Column, Connection, Integer, String, Table, insert, select, update

from assay.schema.errors import InputError, NotFoundError, shown
from assay.schema.ids import utc_now
from assay.store.tables import KEY, check_key, metadata, time_column

Scope: TypeAlias = Literal["judge", "label", "read", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", KEY, primary_key=True),
    Column("name", KEY, nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    Column("scopes", String, nullable=False),
    Column("requests_per_minute", Integer, nullable=True),
    time_column("created_at"),
    Column("expires_at", String, nullable=True),
    Column("revoked_at", String, nullable=True),
)


@dataclass(frozen=True, kw_only=True)
class ApiKey:
    """What is known of a key. `requests_per_minute` None takes the server's; `expires_at` None never ends."""

    id: str
    name: str
    scopes: tuple[Scope, ...]
    requests_per_minute: int | None = None
    created_at: str = ""
    expires_at: str | None = None
    revoked_at: str | None = None

    def holds(self, now: str) -> bool:
        """Neither revoked nor expired at this time."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def check_scopes(scopes: tuple[str, ...]) -> tuple[Scope, ...]:
    """The scopes themselves, in their order. Raises InputError."""
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not scopes:
        raise InputError("A key has scopes.", required=f"one or more of {', '.join(SCOPES)}", got=shown(list(scopes)))
    return tuple(scope for scope in SCOPES if scope in scopes)


def add(connection: Connection, key: ApiKey, digest: str) -> ApiKey:
    """Record a key by the SHA-256 of its secret. Returns it as recorded."""
    row = {
        "id": check_key(key.id, "A key's id"),
        "name": check_key(key.name, "A key's name"),
        "digest": digest,
        "scopes": " ".join(check_scopes(key.scopes)),
        "requests_per_minute": key.requests_per_minute,
        "created_at": utc_now(),
        "expires_at": key.expires_at,
    }
    connection.execute(insert(api_keys).values(row))
    return _key({**row, "revoked_at": None})


def by_digest(connection: Connection, digest: str) -> ApiKey | None:
    """The key with this SHA-256; None when there is none."""
    row = connection.execute(select(api_keys).where(api_keys.c.digest == digest)).mappings().first()
    return None if row is None else _key(dict(row))


def every(connection: Connection) -> tuple[ApiKey, ...]:
    """All keys, revoked ones too, oldest first."""
    rows = connection.execute(select(api_keys).order_by(api_keys.c.created_at, api_keys.c.id)).mappings()
    return tuple(_key(dict(row)) for row in rows)


def revoke(connection: Connection, key_id: str) -> None:
    """From now on the key opens nothing. Raises NotFoundError."""
    row = update(api_keys).where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
    if not connection.execute(row.values(revoked_at=utc_now())).rowcount:
        raise NotFoundError(f"There is no key {shown(key_id)} in force.", next_step="list them: assay keys list")


def _key(row: Mapping[str, Any]) -> ApiKey:
    values = {name: value for name, value in row.items() if name != "digest"}
    return ApiKey(**{**values, "scopes": check_scopes(tuple(row["scopes"].split()))})
