"""Routing: which version answers a reference now. Pure: a RoutingTable is one look at all aliases, and never changes.

    route = table.route("advice", key="session-17", canary_share=0.1)     # champion, or canary for a tenth of the keys
    table.shadow("advice")                                                # the version that gets copies, or None

Aliases change under load: the server replaces the whole table, and a request keeps the one that it began with. The same
key gets the same answer to "canary or champion" on every server, for the choice is a hash of name and key.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from assay.registry.refs import parse_ref
from assay.schema.errors import NotFoundError, shown
from assay.store.verdicts import Role


@dataclass(frozen=True, kw_only=True)
class Route:
    """The version that answers, and why it: as champion, as canary, or because the caller named it."""

    name: str
    version: str  # id, or as much of it as the caller gave
    role: Role


@dataclass(frozen=True, kw_only=True)
class RoutingTable:
    """Name → alias → version id."""

    pointing: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def route(self, ref: str, *, key: str, canary_share: float) -> Route:
        """Who answers a reference (`advice`, `advice@candidate`, `advice-3f2a91c0`).

        Args: `key`, what the canary share is drawn by. Raises InputError (no reference at all), NotFoundError.
        """
        parsed = parse_ref(ref)
        if parsed.digest is not None:
            return Route(name=parsed.name, version=f"{parsed.name}-{parsed.digest}", role="asked")
        pointing = self.pointing.get(parsed.name, {})
        alias = parsed.alias or "champion"
        if alias not in pointing:
            raise self._not_there(parsed.name, alias)
        if alias != "champion" or "@" in ref:
            return Route(name=parsed.name, version=pointing[alias], role="champion" if alias == "champion" else "asked")
        if "canary" in pointing and position(parsed.name, key) < canary_share:
            return Route(name=parsed.name, version=pointing["canary"], role="canary")
        return Route(name=parsed.name, version=pointing["champion"], role="champion")

    def shadow(self, name: str) -> str | None:
        """The version of this name that gets copies of the requests."""
        return self.pointing.get(name, {}).get("shadow")

    def champions(self) -> tuple[str, ...]:
        """The names that have a champion, sorted."""
        return tuple(sorted(name for name, pointing in self.pointing.items() if "champion" in pointing))

    def _not_there(self, name: str, alias: str) -> NotFoundError:
        aliases = sorted(self.pointing.get(name, {}))
        known = [f"{name}@{other}" for other in aliases] or sorted(self.pointing)
        what = f"no judge {shown(name)}" if not aliases else f"no {alias} of {name}"
        return NotFoundError(
            f"There is {what}.",
            required=f"one of {shown(known, 200)}",
            next_step=f"promote one: assay promote {name}@candidate" if aliases else "list them: GET /v1/judges",
        )


def position(name: str, key: str) -> float:
    """Where a key stands in [0, 1) for the judges of a name: uniform over keys, and the same everywhere.

    >>> round(position("advice", "session-17"), 3)
    0.59
    """
    digest = hashlib.sha256(f"{name}\n{key}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:7]) / 2**56
