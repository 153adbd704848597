"""API keys of a workspace: making them, listing them, revoking them."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from assay.schema.errors import InputError, shown
from assay.schema.ids import digest_bytes, new_id
from assay.store import keys
from assay.store.database import Database
from assay.store.keys import ApiKey, check_scopes

_PREFIX = "assay_"  # so that a scanner of leaked secrets can tell it
_RANDOM_BYTES = 32


@dataclass(frozen=True, kw_only=True)
class MadeKey:
    """A key that was just made; `secret` is not stored anywhere."""

    key: ApiKey
    secret: str = field(repr=False)


def make_key(
    database: Database,
    name: str,
    scopes: Sequence[str],
    *,
    requests_per_minute: int | None = None,
    expires: str | None = None,
) -> MadeKey:
    """Make a key. `expires` is an ISO 8601 date or time. Raises InputError."""
    secret = _PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    key = ApiKey(
        id=new_id("key"),
        name=name,
        scopes=check_scopes(tuple(scopes)),
        requests_per_minute=requests_per_minute,
        expires_at=None if expires is None else _in_utc(expires),
    )
    with database.begin() as connection:
        return MadeKey(key=keys.add(connection, key, digest_bytes(secret.encode())), secret=secret)


def _in_utc(text: str) -> str:
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        raise InputError("A key expires at a date.", required="such as 2027-01-31", got=shown(text)) from None
    moment = given if given.tzinfo else given.replace(tzinfo=UTC)
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
