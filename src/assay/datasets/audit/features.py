"""What can be said of a text without reading it: length, punctuation, language, template, source.

`features_of(table)` → one `Feature` a column. None of them should tell the label; where one does, a judge will learn
it instead of the criterion.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from assay.datasets.audit.finding import Kind
from assay.datasets.audit.table import AuditTable

MAX_VALUES = 50  # of a categorical feature; rarer ones are one value
MAX_META_VALUES_SHARE = 0.5  # a meta key with a value of its own for nearly every row names rows, it groups nothing
LANGUAGE_CHARS = 300
MIN_LANGUAGE_CHARS = 20  # shorter texts could be in any
LANGUAGES = (
    "ar bg bn ca cs da de el en es et fa fi fr he hi hr hu id it ja ko lt lv ms nl no pl pt ro ru sk sl sr sv ta th tr "
    "uk ur vi zh"
)
OTHER, TOO_SHORT = "(other)", "(too short to tell)"
_SENTENCE = re.compile(r"[.!?…。！？]+(?:\s|$)")
_LINK = re.compile(r"https?://|www\.")
_PUNCTUATION = re.compile(r"[^\w\s]")
_WORD = re.compile(r"\w+")
_EDGE_WORDS = 2
_EDGE_CHARS = 200
_SHAPE_CHARS = 40  # the beginning: of whole texts the shape would only tell their length


@dataclass(frozen=True, kw_only=True, eq=False)
class Feature:
    """One column: numbers (n,), or codes (n,) of `values` where it is categorical."""

    name: str
    kind: Kind
    column: np.ndarray
    values: tuple[str, ...] = ()

    @property
    def categorical(self) -> bool:
        """Whether the column holds codes."""
        return bool(self.values)


def features_of(table: AuditTable, on_rows: Callable[[int], None] | None = None) -> list[Feature]:
    """Every feature that differs between rows. `on_rows` hears how many texts are done."""
    numbers = np.empty((len(table), len(_NUMBERS)))
    words: list[list[str]] = [[] for _ in _WORDS]
    languages: list[str] = []
    for row, text in enumerate(table.texts):
        numbers[row] = [count(text) for _, _, count in _NUMBERS]
        for column, (_, _, read) in zip(words, _WORDS, strict=True):
            column.append(read(text))
        languages.append(language_of(text))
        if on_rows is not None and row % 1000 == 0:
            on_rows(row)
    found = [Feature(name=name, kind=kind, column=numbers[:, place]) for place, (name, kind, _) in enumerate(_NUMBERS)]
    found.append(Feature(name="turns", kind="position", column=table.turns.astype(float)))
    found.append(_categorical("language", "language", languages))
    found += [_categorical(name, kind, column) for (name, kind, _), column in zip(_WORDS, words, strict=True)]
    found.append(_categorical("source", "source", table.source))
    found.append(_categorical("label source", "source", table.decided_by))
    found += [
        _categorical(f"meta.{key}", "source", values)
        for key, values in table.meta.items()
        if len(set(values)) <= max(2, MAX_META_VALUES_SHARE * len(table))
    ]
    if table.longer.any():
        found.append(Feature(name="how much longer output_a is", kind="length", column=table.longer))
    return [one for one in found if len(table) and one.column.min() != one.column.max()]


def language_of(text: str) -> str:
    """The likeliest of `LANGUAGES` (py3langid), by the first characters; a guess.

    >>> language_of("Das ist ein kurzer deutscher Satz über das Wetter."), language_of("ok")
    ('de', '(too short to tell)')
    """
    head = text[:LANGUAGE_CHARS]
    if len(head) < MIN_LANGUAGE_CHARS:
        return TOO_SHORT
    return str(_identifier().classify(head)[0])


@lru_cache(maxsize=1)
def _identifier() -> Any:
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE)
    identifier.set_languages(LANGUAGES.split())
    return identifier


def _categorical(name: str, kind: Kind, values: Sequence[str]) -> Feature:
    commonest = [value for value, _ in Counter(values).most_common(MAX_VALUES)]
    code = {value: place for place, value in enumerate(commonest)}
    column = np.array([code.get(value, len(commonest)) for value in values], dtype=int)
    return Feature(name=name, kind=kind, column=column, values=(*commonest, OTHER))


def _mean(values: Sequence[int]) -> float:
    return sum(values) / len(values) if values else 0.0


def _edge(text: str, part: slice) -> str:
    near = text[:_EDGE_CHARS] if part.start is None else text[-_EDGE_CHARS:]
    return " ".join(_WORD.findall(near.lower())[part])


def _shape(text: str) -> str:
    """The marks of a text without its words: equal for texts made from one template."""
    return _WORD.sub("", text[:_SHAPE_CHARS]).replace(" ", "")


def _last(text: str) -> str:
    stripped = text.rstrip()
    if not stripped:
        return ""
    return "letter or digit" if stripped[-1].isalnum() else stripped[-1]


_NUMBERS: tuple[tuple[str, Kind, Callable[[str], float]], ...] = (
    ("characters", "length", len),
    ("words", "length", lambda text: len(_WORD.findall(text))),
    ("sentences", "length", lambda text: len(_SENTENCE.findall(text))),
    ("lines", "length", lambda text: text.count("\n")),
    ("mean word length", "length", lambda text: _mean([len(word) for word in _WORD.findall(text)])),
    ("question marks", "punctuation", lambda text: text.count("?")),
    ("exclamation marks", "punctuation", lambda text: text.count("!")),
    ("commas", "punctuation", lambda text: text.count(",")),
    ("quotation marks", "punctuation", lambda text: sum(map(text.count, "\"“”«»'"))),
    ("punctuation share", "punctuation", lambda text: len(_PUNCTUATION.findall(text)) / max(len(text), 1)),
    ("capitals share", "punctuation", lambda text: sum(map(str.isupper, text)) / max(len(text), 1)),
    ("digits share", "punctuation", lambda text: sum(map(str.isdigit, text)) / max(len(text), 1)),
    ("links", "punctuation", lambda text: len(_LINK.findall(text))),
    ("other scripts share", "language", lambda text: sum(char > "\x7f" for char in text) / max(len(text), 1)),
)
_WORDS: tuple[tuple[str, Kind, Callable[[str], str]], ...] = (
    ("first words", "template", lambda text: _edge(text, slice(None, _EDGE_WORDS))),
    ("last words", "template", lambda text: _edge(text, slice(-_EDGE_WORDS, None))),
    ("shape", "template", _shape),
    ("last character", "punctuation", _last),
)
