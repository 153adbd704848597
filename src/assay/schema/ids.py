"""Names: ids and times that sort by time, and digests of content.

`new_id("imp")` gives `imp_01JD…` (a ULID: 48 bits of milliseconds, 80 random bits). `digest_json` names a value by the
SHA-256 of its canonical JSON: sorted keys, no spaces, UTF-8, no NaN.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ulid import ULID

SHORT_DIGEST_CHARS = 8  # in names such as toxicity-3f2a91c0; the full digest is always stored beside it
_READ_BYTES = 1 << 20


def new_id(prefix: str) -> str:
    """A new id, sortable by creation time: prefix, underscore, 26 characters."""
    return f"{prefix}_{ULID()}"


def utc_now() -> str:
    """The time as ISO 8601 text in UTC, with microseconds; such texts sort by time."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def canonical_json(value: Any) -> str:
    """One JSON text for equal values: sorted keys, no spaces. NaN and infinities raise ValueError.

    >>> canonical_json({"b": 1, "a": "é"})
    '{"a":"é","b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest_bytes(data: bytes) -> str:
    """SHA-256 in hexadecimal (64 characters)."""
    return hashlib.sha256(data).hexdigest()


def digest_json(value: Any) -> str:
    """SHA-256 of the canonical JSON of a value."""
    return digest_bytes(canonical_json(value).encode("utf-8", "surrogatepass"))


def digest_file(path: Path) -> str:
    """SHA-256 of a file's bytes, read in pieces."""
    sha = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_READ_BYTES):
            sha.update(piece)
    return sha.hexdigest()


def digest_files(files: Mapping[str, Path]) -> dict[str, str]:
    """`digest_file` of each, by name."""
    return {name: digest_file(path) for name, path in sorted(files.items())}


def short(digest: str) -> str:
    """The part of a digest that stands in names.

    >>> short("3f2a91c0ffee")
    '3f2a91c0'
    """
    return digest[:SHORT_DIGEST_CHARS]
