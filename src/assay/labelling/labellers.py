"""Labellers: who may sign in to the labelling page, and how it is checked that it is they.

A secret is made here, shown once and kept only as a scrypt hash; a session token is kept only as its SHA-256. Knows no
HTTP.
"""

import base64
import hashlib
import hmac
import re
import secrets
from datetime import UTC, datetime, timedelta

from assay.schema.errors import InputError, RefusedError, shown
from assay.schema.ids import utc_now
from assay.schema.label import LABEL_SOURCES, LabelSource
from assay.store.database import Database
from assay.store.labelling import people, work
from assay.store.labelling.people import Labeller

SESSION_DAYS = 14
SECRET_BYTES = 12  # 96 random bits: nothing to guess
_SCRYPT = {"n": 1 << 14, "r": 8, "p": 1}  # 16 MB and some 50 ms for each try (Percival 2009; RFC 7914)
_SALT_BYTES = 16
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_NOBODY = (
    "scrypt$16384$8$1$AAAAAAAAAAAAAAAAAAAAAA==$AAAA"  # hashed against when the name is unknown: same time, same no
)


def add_labeller(
    database: Database, name: str, *, source: LabelSource = "expert", adjudicates: bool = False
) -> tuple[Labeller, str]:
    """Let someone label. Returns the labeller and their secret, which is not kept. Raises InputError, ConflictError."""
    if not _NAME.fullmatch(name):
        raise InputError(
            "A labeller's name stands with every label.",
            required="up to 64 of the characters A-Z a-z 0-9 . _ @ -, beginning with a letter or digit",
            got=shown(name),
        )
    if source not in LABEL_SOURCES:
        raise InputError("A labeller's source is unknown.", required=f"one of {list(LABEL_SOURCES)}", got=shown(source))
    secret = secrets.token_urlsafe(SECRET_BYTES)
    labeller = Labeller(name=name, source=source, adjudicates=adjudicates, created_at=utc_now())
    hashed = hash_secret(secret)
    with database.begin() as connection:
        people.add(connection, labeller, hashed)
        return people.get(connection, name), secret


def remove_labeller(database: Database, name: str) -> None:
    """End someone's sign-in and free what they hold; their labels stay. Raises NotFoundError."""
    with database.begin() as connection:
        people.remove(connection, name)
        work.release(connection, name)


def sign_in(database: Database, name: str, secret: str) -> tuple[Labeller, str]:
    """The labeller and a new session token. Raises RefusedError, which does not say whether the name or the secret is
    wrong.
    """
    with database.read() as connection:
        hashed = people.hashed_secret(connection, name)
    if not is_secret(secret, hashed or _NOBODY) or hashed is None:
        raise RefusedError("This name and secret do not fit together.", next_step="ask whoever added you for a new one")
    token = secrets.token_urlsafe(32)
    expires = (datetime.now(UTC) + timedelta(days=SESSION_DAYS)).isoformat(timespec="microseconds")
    with database.begin() as connection:
        people.open_session(connection, _digest(token), name, expires)
        return people.get(connection, name), token


def signed_in(database: Database, token: str | None) -> Labeller | None:
    """Whose token this is; None for no, an unknown or an old one."""
    if not token:
        return None
    with database.read() as connection:
        return people.signed_in(connection, _digest(token))


def sign_out(database: Database, token: str) -> None:
    """End a session."""
    with database.begin() as connection:
        people.end_session(connection, _digest(token))


def hash_secret(secret: str) -> str:
    """`scrypt$n$r$p$salt$hash`, salt and hash in Base64."""
    salt = secrets.token_bytes(_SALT_BYTES)
    parts = ("scrypt", *(str(_SCRYPT[name]) for name in "nrp"), _base64(salt), _base64(_scrypt(secret, salt, _SCRYPT)))
    return "$".join(parts)


def is_secret(secret: str, hashed: str) -> bool:
    """Whether this is the secret behind a hash; takes the same time for every wrong one."""
    _, n, r, p, salt, known = hashed.split("$")
    found = _scrypt(secret, base64.b64decode(salt), {"n": int(n), "r": int(r), "p": int(p)})
    return hmac.compare_digest(_base64(found), known)


def _scrypt(secret: str, salt: bytes, cost: dict[str, int]) -> bytes:
    return hashlib.scrypt(secret.encode("utf-8", "replace"), salt=salt, maxmem=1 << 26, dklen=32, **cost)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
