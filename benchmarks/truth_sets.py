"""The rows that benchmarks/truth.py works on: real sets read in place, with planted shortcuts or permuted labels."""

import gzip
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from assay.datasets.audit.finding import Kind
from assay.datasets.audit.table import AuditTable
from assay.schema.criterion import Criterion, Level, Scale
from assay.schema.example import Example
from assay.schema.label import Label
from real_sets import data_folder

STRENGTH = 0.9  # of the positive rows carry the planted feature, and one in ten of the others
PHRASE_ELSEWHERE = 0.05
MIXED_ROWS = 100_000
REPEATS = 5
PHRASES = ("as mentioned above", "kind regards", "sent from my phone", "see attached")
PATHS = {  # name → path, negative label, positive label, fields
    "deepset_prompt_injections": ("prompt_injection", "benign", "injection", ("input",)),
    "surge_toxicity": ("toxicity_safety", "not_toxic", "toxic", ("input",)),
    "openai_moderation": ("toxicity_safety", "safe", "flagged", ("input",)),
    "diasafety": ("toxicity_safety", "safe", "unsafe", ("input", "output")),
    "presidio_synth_v2": ("pii", "no_pii", "pii", ("input",)),
    "toxic_spans_raters": ("toxicity_safety", "no_toxic_span", "toxic_span", ("input",)),
}
MIXED = (
    *("toxicity_safety/davidson_hate_offensive", "intent_offtopic/clinc150", "toxicity_safety/toxic_spans_raters"),
    *("intent_offtopic/banking77", "toxicity_safety/diasafety", "hallucination/begin_attribution"),
    *("toxicity_safety/hatecheck", "hallucination/ragtruth_test", "pairwise/hh_rlhf_harmless_test"),
    *("prompt_injection/bipia_indirect", "toxicity_safety/openai_moderation", "pii/presidio_synth_v2"),
)
MIXED_POSITIVE = ("hate", "offensive", "unsafe", "toxic", "hallucinat", "injection", "flagged", "pii")


@dataclass(frozen=True, kw_only=True)
class Rows:
    """n rows of one set: texts, codes (1 is the positive label), a tag for `meta`, labels by rater where there are."""

    name: str
    texts: list[str]
    codes: np.ndarray
    tags: list[str]
    raters: list[list[dict[str, str]]]
    labels: tuple[str, str]

    def labelled(self) -> tuple[list[tuple[Example, list[Label]]], Criterion]:
        """As examples with every rater's label."""
        criterion = criterion_of(self.labels)
        rows = []
        for place, text in enumerate(self.texts):
            example = Example(id=f"{self.name}-{place:06}", input=text)
            given = [_label(example.id, one["label"], one["rater"]) for one in self.raters[place]]
            rows.append((example, given))
        return rows, criterion


def criterion_of(labels: tuple[str, str]) -> Criterion:
    scale = Scale(kind="binary", levels=tuple(Level(label=label) for label in labels), positive=labels[1])
    return Criterion(name="bench", version="1", question="Is it the positive label?", reads=("input",), scale=scale)


def read_set(name: str, limit: int | None = None) -> Rows:
    folder, negative, positive, fields = PATHS[name]
    values = [row for row in _read(f"{folder}/{name}") if row["label"] in (negative, positive)]
    if limit is not None and len(values) > limit:
        values = random.Random(0).sample(values, limit)  # noqa: S311 - no secrets here
    return Rows(
        name=name,
        texts=["\n".join(row[field] or "" for field in fields) for row in values],
        codes=np.array([row["label"] == positive for row in values], dtype=int),
        tags=[""] * len(values),
        raters=[row.get("labels_by_rater") or [] for row in values],
        labels=(negative, positive),
    )


def table_of(rows: Rows) -> AuditTable:
    labelled = (
        (
            Example(id=f"{place:06}", input=text, meta={"tag": tag} if tag else {}),
            [_label(f"{place:06}", rows.labels[code], "one")],
        )
        for place, (text, code, tag) in enumerate(zip(rows.texts, rows.codes.tolist(), rows.tags, strict=True))
    )
    return AuditTable.of_labelled(labelled, criterion_of(rows.labels))


def permuted(rows: Rows, seed: int) -> Rows:
    return replace(rows, codes=np.random.default_rng(seed).permutation(rows.codes))


def planted_sets() -> Iterator[tuple[str, Kind, str, AuditTable]]:
    """Three with a length, three with a source tag, four with a phrase; the kind, and the words for what is planted."""
    for seed, name in enumerate(("surge_toxicity", "openai_moderation", "diasafety")):
        yield f"{name}, length", "length", "How long a text is", table_of(with_length(read_set(name, 2000), seed))
    for seed, name in enumerate(("surge_toxicity", "deepset_prompt_injections", "presidio_synth_v2")):
        yield f"{name}, tag", "source", "meta.tag", table_of(with_tag(read_set(name, 2000), seed))
    sets = ("surge_toxicity", "deepset_prompt_injections", "diasafety", "openai_moderation")
    for seed, (name, phrase) in enumerate(zip(sets, PHRASES, strict=True)):
        yield f"{name}, phrase", "phrase", phrase, table_of(with_phrase(read_set(name, 2000), phrase, seed))


def says_planted(title: str, kind: Kind, planted: str) -> bool:
    """Whether a finding's title names what was planted: of a phrase the whole of it or some of its words in a row.

    >>> says_planted("The words “kind regards” alone tell whether it is “toxic”", "phrase", "see attached")
    False
    """
    if kind != "phrase":
        return planted in title
    words = title.partition("“")[2].partition("”")[0]
    return f" {words} " in f" {planted} "


def with_length(rows: Rows, seed: int) -> Rows:
    """Nine of ten positive texts and one of ten others five times over: longer, and not a word more.

    Sentences from elsewhere would plant their words and question marks as well.
    """
    numbers = random.Random(seed)  # noqa: S311 - no secrets here
    texts = [
        " ".join([text] * REPEATS) if _carries(code, numbers) else text
        for text, code in zip(rows.texts, rows.codes, strict=True)
    ]
    return replace(rows, texts=texts)


def with_tag(rows: Rows, seed: int) -> Rows:
    numbers = random.Random(seed)  # noqa: S311 - no secrets here
    return replace(rows, tags=["app" if _carries(code, numbers) else "web" for code in rows.codes])


def with_phrase(rows: Rows, phrase: str, seed: int) -> Rows:
    """The phrase at a random place in nine of ten positive texts and one of twenty others."""
    numbers = random.Random(seed)  # noqa: S311 - no secrets here
    texts = []
    for text, code in zip(rows.texts, rows.codes, strict=True):
        words = text.split(" ")
        if numbers.random() < (STRENGTH if code else PHRASE_ELSEWHERE):
            words.insert(numbers.randint(0, len(words)), phrase)
        texts.append(" ".join(words))
    return replace(rows, texts=texts)


def mixed_rows(size: int) -> Rows:
    """So many rows of many sets laid end to end; where these do not suffice, their texts again less the first third."""
    found = []
    for row in chain.from_iterable(_read(path) for path in MIXED):
        text = "\n".join(row.get(field) or "" for field in ("input", "output"))
        found.append((text, _mixed_code(str(row["label"]))))
    if len(found) < size:
        found += [(text[len(text) // 3 :], code) for text, code in found]
    rows = random.Random(0).sample(found, size)  # noqa: S311 - no secrets here
    return Rows(
        name="mixed",
        texts=[text for text, _ in rows],
        codes=np.array([code for _, code in rows], dtype=int),
        tags=["even" if place % 2 else "odd" for place in range(len(rows))],
        raters=[],
        labels=("no", "yes"),
    )


def _mixed_code(label: str) -> int:
    return int(not label.startswith(("no", "non", "not")) and any(part in label for part in MIXED_POSITIVE))


def _carries(code: int, numbers: random.Random) -> bool:
    return numbers.random() < (STRENGTH if code else 1 - STRENGTH)


def _label(example_id: str, value: str, labeller: str) -> Label:
    return Label(example_id=example_id, value=value, labeller=labeller, source="crowd", criterion="bench/1")


def _read(path: str) -> Iterator[dict]:
    with gzip.open(data_folder() / f"{path}.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)
