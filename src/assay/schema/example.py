"""Example: one thing to be judged, with its provenance."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from assay.schema.ids import digest_json, short
from assay.schema.records import to_jsonable
from assay.schema.trace import Content, Turn, text_of

ExampleSource: TypeAlias = Literal["production", "synthetic", "expert"]
LONG_CHARS = 16_384  # some milliseconds of tokenising or redacting: too long to keep an event loop from others
CONTENT_FIELDS = ("input", "output", "context", "reference", "turns", "output_a", "output_b")


@dataclass(frozen=True, kw_only=True)
class Example:
    """One thing to be judged.

    `group` is what must not straddle splits (trace, session, document); without one the example is its own group.
    `weight` is the inverse of its sampling probability, 1 where it was not sampled.
    """

    id: str
    input: Content | None = None
    output: Content | None = None
    context: Content | None = None
    reference: Content | None = None
    turns: tuple[Turn, ...] = ()
    output_a: Content | None = None
    output_b: Content | None = None
    source: ExampleSource = "production"
    group: str | None = None
    weight: float = 1.0
    meta: Mapping[str, Any] = field(default_factory=dict)

    def content(self) -> dict[str, Any]:
        """The judged fields that are present, as plain values."""
        return {name: to_jsonable_content(getattr(self, name)) for name in CONTENT_FIELDS if getattr(self, name)}

    @property
    def content_digest(self) -> str:
        """SHA-256 of what is judged; provenance does not enter."""
        return digest_json(self.content())

    @property
    def is_long(self) -> bool:
        """Whether working on its text takes longer than handing that to a thread."""
        values = (getattr(self, name) for name in CONTENT_FIELDS)
        return sum(len(value) if isinstance(value, str) else len(field_text(value)) for value in values) > LONG_CHARS

    def text(self, fields: tuple[str, ...] = CONTENT_FIELDS) -> str:
        """The text of the named fields in that order, joined by line feeds (for deduplication and baselines, not for
        models).
        """
        pieces = (field_text(getattr(self, name)) for name in fields)
        return "\n".join(piece for piece in pieces if piece)


def field_text(value: Content | tuple[Turn, ...] | None) -> str:
    """The text of one content field or of all turns; empty when absent."""
    if not value:
        return ""
    if isinstance(value, str):
        return value
    pieces = (text_of(item.content) if isinstance(item, Turn) else text_of((item,)) for item in value)
    return "\n".join(piece for piece in pieces if piece)


def to_jsonable_content(value: Content | tuple[Turn, ...]) -> Any:
    """One content field as plain JSON values."""
    return value if isinstance(value, str) else [to_jsonable(item) for item in value]


def content_id(content: Mapping[str, Any]) -> str:
    """The id of an example that came without one: `ex-` and 16 hexadecimal digits of its content's digest."""
    digest = digest_json(dict(content))
    return f"ex-{short(digest)}{digest[8:16]}"
