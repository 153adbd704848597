"""The bundled sample is what it promises to be: large enough, hard enough, and not solved by counting words."""

import json
from collections import Counter
from importlib.resources import files

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline

from assay.datasets.candidates import candidate_of
from assay.datasets.freezing import frozen_rows
from assay.datasets.minimums import FreezeSettings, check_minimums
from assay.ingest.labelled import Reading
from assay.ingest.mapping import FieldMapping
from assay.schema.criterion import Criterion

SAMPLE = files("assay") / "samples" / "advice"


@pytest.fixture(scope="module")
def criterion():
    return Criterion.from_toml(SAMPLE / "criterion.toml")


@pytest.fixture(scope="module")
def sample(criterion):
    """The rows as an import reads them; none is malformed."""
    reading = Reading(path=SAMPLE / "examples.jsonl", criterion=criterion, mapping=FieldMapping())
    rows = list(reading)
    assert reading.malformed == 0
    return rows


@pytest.fixture(scope="module")
def truth(sample):
    return np.array([row.labels[0].value == "advice" for row in sample])


def test_it_is_large_and_holds_the_hard_kinds(sample, truth):
    kinds = Counter(row.example.meta["kind"] for row in sample)
    assert len(sample) >= 900
    assert kinds["hard_negative"] >= 200
    assert kinds["subtle_positive"] >= 150
    several_turns = Counter(row.example.meta["kind"] for row in sample if row.example.turns)
    assert min(several_turns[kind] for kind in ("plain", "hard_negative", "subtle_positive")) >= 50
    assert 0.4 <= truth.mean() <= 0.6
    assert all(not is_advice for row, is_advice in zip(sample, truth, strict=True) if "negative" in _kind(row))
    assert all(is_advice for row, is_advice in zip(sample, truth, strict=True) if "positive" in _kind(row))


def test_ids_and_texts_are_unique(sample):
    assert len({row.example.id for row in sample}) == len(sample)
    assert len({row.example.content_digest for row in sample}) == len(sample)


def test_nothing_is_called_expert_or_production(sample):
    assert {row.example.source for row in sample} == {"synthetic"}
    assert {label.source for row in sample for label in row.labels} == {"author"}


def test_a_second_reader_labelled_each_row(sample):
    assert all(len({label.labeller for label in row.labels}) >= 2 for row in sample)
    assert np.mean([len({label.value for label in row.labels}) == 1 for row in sample]) >= 0.9


@pytest.mark.parametrize("fields", [("output",), ("context", "turns", "input", "output")])
def test_length_alone_tells_little(sample, truth, fields):
    area = roc_auc_score(truth, [len(row.example.text(fields)) for row in sample])
    assert max(area, 1 - area) <= 0.60


@pytest.mark.parametrize("fields", [("output",), ("context", "turns", "input", "output")])
def test_counting_words_is_not_enough(sample, truth, fields):
    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(C=10, max_iter=1000)
    )
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    texts = [row.example.text(fields) for row in sample]
    groups = [row.example.group for row in sample]
    assert f1_score(truth, cross_val_predict(model, texts, truth, groups=groups, cv=folds)) < 0.80


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_with_the_waiver_it_freezes_to_a_hundred_test_rows_of_each_class(sample, criterion, seed):
    settings = FreezeSettings(accept_labels=("author",), seed=seed)
    rows, dropped = frozen_rows([candidate_of(row.example, row.labels) for row in sample], criterion, settings)
    check_minimums(rows, criterion, settings)
    counts = Counter(row.target.value for row in rows if row.split == "test")
    assert min(counts[label] for label in criterion.labels) >= 100
    assert sum(dropped.values()) <= 10


def test_the_fresh_conversations_can_be_judged(criterion):
    lines = (SAMPLE / "unlabelled.jsonl").read_text(encoding="utf-8").splitlines()
    reading = list(Reading(path=SAMPLE / "unlabelled.jsonl", criterion=criterion, mapping=FieldMapping()))
    assert len(reading) == len(lines) == 8
    assert all("labels" not in json.loads(line) for line in lines)
    assert all(row.example.output and row.labels == () for row in reading)


def _kind(row):
    return row.example.meta["kind"]
