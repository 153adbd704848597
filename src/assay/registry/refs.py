"""How a judge is addressed: `advice`, `advice@candidate`, `advice-3f2a91c0`.

A reference is checked against a strict pattern before it touches the database or the file system.
"""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import get_args

from assay.schema.errors import InputError, shown
from assay.store.aliases import Alias

ALIASES: tuple[Alias, ...] = get_args(Alias)
CHAMPION: Alias = "champion"

_NAME = re.compile(r"[A-Za-z0-9_]{1,64}")
_REF = re.compile(r"(?P<name>[A-Za-z0-9_]{1,64})(?:@(?P<alias>[a-z]{1,20})|-(?P<digest>[0-9a-f]{8,64}))?")
_FORMS = "NAME (its champion), NAME@ALIAS or NAME-DIGEST, such as advice, advice@candidate or advice-3f2a91c0"


@dataclass(frozen=True, kw_only=True)
class Ref:
    """A parsed reference: a name with either an alias or the start of a digest (8 or more hexadecimal digits)."""

    name: str
    alias: Alias | None
    digest: str | None


def parse_ref(text: str) -> Ref:
    """Parse a reference; a bare name means its champion. Raises InputError.

    >>> parse_ref("advice@candidate")
    Ref(name='advice', alias='candidate', digest=None)
    """
    match = _REF.fullmatch(text)
    if match is None:
        raise InputError("This does not address a judge.", required=_FORMS, got=shown(text))
    if match["digest"]:
        return Ref(name=match["name"], alias=None, digest=match["digest"])
    return Ref(name=match["name"], alias=check_alias(match["alias"] or CHAMPION), digest=None)


def check_alias(alias: str) -> Alias:
    """The alias itself if there is one of this name. Raises InputError."""
    for known in ALIASES:
        if alias == known:
            return known
    raise InputError(
        "There is no such alias.",
        required=f"one of {', '.join(ALIASES)}",
        got=shown(alias),
        next_step=did_you_mean(alias, ALIASES),
    )


def check_name(name: str) -> str:
    """The name itself if a judge can have it. Raises InputError."""
    if _NAME.fullmatch(name):
        return name
    raise InputError("A judge cannot have this name.", required="up to 64 letters, digits and '_'", got=shown(name))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean 'advice'?` when something known is close, else empty."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"did you mean {close[0]!r}?" if close else ""
