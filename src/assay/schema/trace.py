"""Content and conversation turns: what a trace is made of.

Content is text, or a tuple of typed parts (text, or an image named by the digest of its blob).
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, kw_only=True)
class TextPart:
    """A piece of text."""

    text: str
    kind: Literal["text"] = "text"


@dataclass(frozen=True, kw_only=True)
class ImagePart:
    """An image, by the SHA-256 of its blob."""

    blob: str
    kind: Literal["image"] = "image"


Part: TypeAlias = TextPart | ImagePart
Content: TypeAlias = str | tuple[Part, ...]


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One message of a conversation."""

    role: Role
    content: Content


def text_of(content: Content) -> str:
    r"""The text of a content; images are left out.

    >>> text_of((TextPart(text="a"), ImagePart(blob="0" * 64), TextPart(text="b")))
    'a\nb'
    """
    if isinstance(content, str):
        return content
    return "\n".join(part.text for part in content if isinstance(part, TextPart))
