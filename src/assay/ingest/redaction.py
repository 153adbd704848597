"""Redaction: takes personal data and secrets out of a text before it is stored.

    redactor = Redactor(RedactionRules.from_mapping(settings.redaction))
    redactor.redact("Mail ann@example.org").text        # 'Mail [EMAIL]'
    redactor.redact_example(example).counts             # {'email': 1}

Candidates are found by RE2, in time that grows with the length of the text alone, and then verified: a card by its
Luhn digit, an IBAN by country, length and mod 97, a phone number by its country's numbering plan. Where a text holds
more candidates than `MOST_CHECKS` the rest is taken out unverified. What has no pattern (names, addresses) stays:
redaction lowers a risk, it is no proof of anonymity.
"""

import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

from assay.ingest.redaction_finders import LEAST_DIGITS, MOST_CHECKS, card_spans, iban_spans, phone_spans, spans_of
from assay.ingest.redaction_patterns import EMAIL, SECRETS
from assay.judging.patterns import compile_pattern
from assay.schema.errors import InputError, shown
from assay.schema.example import CONTENT_FIELDS, Example
from assay.schema.records import record_from
from assay.schema.trace import TextPart, Turn

__all__ = ["KINDS", "MOST_CHECKS", "Redacted", "RedactedExample", "RedactionRules", "Redactor"]

Kind: TypeAlias = Literal["secret", "email", "iban", "card", "phone"]
KINDS: tuple[Kind, ...] = get_args(Kind)  # earlier ones win where two lay hold of the same text
_DIGIT = re.compile("[0-9]")  # as RE2's
_Finder: TypeAlias = Callable[[str], Iterable[tuple[int, int]]]


@dataclass(frozen=True, kw_only=True)
class RedactionRules:
    """[redaction] of assay.toml. `regions` are the countries (ISO 3166, two letters) whose phone numbers are known
    without an international prefix; `patterns` adds kinds of one's own: name → RE2 pattern.
    """

    kinds: tuple[Kind, ...] = KINDS
    regions: tuple[str, ...] = ("US",)
    patterns: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> "RedactionRules":
        """The rules of the [redaction] table. Raises InputError."""
        return record_from(cls, values, where="assay.toml [redaction]")


@dataclass(frozen=True, kw_only=True)
class Redacted:
    """A text with placeholders such as [EMAIL], and how many of each kind were put in."""

    text: str
    counts: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class RedactedExample:
    """An example with placeholders in its content, its turns and the texts of its `meta`."""

    example: Example
    counts: Mapping[str, int]


class Redactor:
    """Rules ready to run. Raises InputError for a pattern that is none, or a kind of one's own that is ours."""

    def __init__(self, rules: RedactionRules) -> None:
        finders: dict[str, _Finder] = {
            "secret": lambda text: _spans(SECRETS, text),
            "email": lambda text: spans_of(EMAIL, text) if "@" in text else (),
            "iban": iban_spans,
            "card": lambda text: card_spans(text) if _has_digits(text) else (),
            "phone": lambda text: phone_spans(text, rules.regions) if _has_digits(text) else (),
        }
        self._finders: dict[str, _Finder] = {}
        for name, pattern in rules.patterns.items():
            self._finders[_own_name(name)] = _own(name, pattern)
        self._finders.update({kind: finders[kind] for kind in KINDS if kind in rules.kinds})

    def redact(self, text: str) -> Redacted:
        """A text with a placeholder for each find.

        >>> Redactor(RedactionRules()).redact("4111 1111 1111 1111, ann@example.org")
        Redacted(text='[CARD], [EMAIL]', counts={'email': 1, 'card': 1})
        """
        searchable = text.encode("utf-8", "replace").decode("utf-8")  # half a surrogate pair: one character for one
        taken: list[tuple[int, int, str]] = []
        counts: Counter[str] = Counter()
        for kind, find in self._finders.items():
            fresh = _free(find(searchable), taken)
            counts[kind] += len(fresh)
            taken = sorted([*taken, *((start, end, kind) for start, end in fresh)])
        return Redacted(text=_replaced(text, taken), counts={kind: n for kind, n in counts.items() if n})

    def redact_example(self, example: Example) -> RedactedExample:
        """An example with placeholders; ids, groups and numbers stay."""
        counts: Counter[str] = Counter()

        def clean(value: Any) -> Any:
            if isinstance(value, str):
                done = self.redact(value)
                counts.update(done.counts)
                return done.text
            if isinstance(value, Turn):
                return dataclasses.replace(value, content=clean(value.content))
            if isinstance(value, TextPart):
                return TextPart(text=clean(value.text))
            if isinstance(value, tuple | list):
                return type(value)(clean(item) for item in value)
            if isinstance(value, Mapping):
                return {name: clean(item) for name, item in value.items()}
            return value

        changed = {name: clean(getattr(example, name)) for name in (*CONTENT_FIELDS, "meta")}
        return RedactedExample(example=dataclasses.replace(example, **changed), counts=dict(counts))


def _has_digits(text: str) -> bool:
    """Whether there are as many digits as the shortest phone number has: most texts hold fewer, and are told fast."""
    return len(_DIGIT.findall(text)) >= LEAST_DIGITS


def _spans(patterns: Iterable[Any], text: str) -> Iterator[tuple[int, int]]:
    for pattern in patterns:
        yield from spans_of(pattern, text)


def _free(found: Iterable[tuple[int, int]], taken: list[tuple[int, int, str]]) -> list[tuple[int, int]]:
    """The finds, joined where they overlap, without those that touch what another kind has taken."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(found):
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        elif end > start:
            joined.append((start, end))
    free, place = [], 0
    for start, end in joined:
        while place < len(taken) and taken[place][1] <= start:
            place += 1
        if place == len(taken) or taken[place][0] >= end:
            free.append((start, end))
    return free


def _replaced(text: str, taken: list[tuple[int, int, str]]) -> str:
    pieces, last = [], 0
    for start, end, kind in taken:
        pieces += [text[last:start], f"[{kind.upper()}]"]
        last = end
    return "".join([*pieces, text[last:]])


def _own_name(name: str) -> str:
    if name in KINDS or not name.replace("_", "").isalnum() or not name.isascii():
        raise InputError(
            "A kind of redaction of one's own has a name of its own.",
            required=f"letters, digits and '_', none of {list(KINDS)}",
            got=shown(name),
        )
    return name


def _own(name: str, pattern: str) -> _Finder:
    own = compile_pattern(pattern, f"[redaction.patterns] {name}")
    return lambda text: spans_of(own, text)
