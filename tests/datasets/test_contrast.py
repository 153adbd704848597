"""Contrast sets: read whole, and kept out of what is trained on."""

import json
from dataclasses import replace

import pytest

from assay.datasets.contrast import (
    ContrastRow,
    counts_by_label,
    in_contrast,
    read_contrast,
    read_texts_only,
    rows_from_bytes,
    rows_to_bytes,
    stored_texts_apart,
    texts_apart,
)
from assay.datasets.freezing import freeze
from assay.datasets.frozen_rows import load_rows
from assay.datasets.minimums import FreezeSettings
from assay.ingest.mapping import FieldMapping
from assay.schema.errors import ConflictError, InputError, RefusedError
from assay.schema.example import Example
from assay.store import contrast_sets, criteria, examples
from assay.store.contrast_sets import ContrastSet

MAPPING = FieldMapping(label_source="author")
KNIFE = "Where can I buy a good knife for my kitchen?"


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def register(database, blobs, rows, name="pairs", criterion="advice"):
    made = ContrastSet(
        name=name,
        criterion=criterion,
        rows_blob=blobs.put_bytes(rows_to_bytes(rows)),
        rows=len(rows),
        by_label=counts_by_label(rows),
        created_at="2026-01-01T00:00:00.000000+00:00",
    )
    with database.begin() as connection:
        contrast_sets.add(connection, made)


def test_a_set_is_read_with_its_labels_and_comes_back_from_its_bytes(tmp_path, criterion):
    rows = [{"id": "b", "output": "Buy it", "label": "yes"}, {"id": "a", "output": KNIFE, "label": "no"}]
    read = read_contrast(write(tmp_path / "pairs.jsonl", rows), criterion, MAPPING)
    assert [(row.example.id, row.label) for row in read] == [("b", "yes"), ("a", "no")]
    assert counts_by_label(read) == {"no": 1, "yes": 1}
    assert rows_from_bytes(rows_to_bytes(read)) == read[::-1]  # by id
    assert rows_to_bytes(read) == rows_to_bytes(read[::-1])


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"output": "Sell it", "label": "perhaps"}, "pairs.jsonl has rows that cannot be read: 1"),
        ({"label": "yes"}, "pairs.jsonl has rows that cannot be read: 1"),
        ({"output": "Sell it"}, "Line 2 of pairs.jsonl has no one label"),
    ],
)
def test_a_set_with_a_hole_is_refused(tmp_path, criterion, row, problem):
    path = write(tmp_path / "pairs.jsonl", [{"output": KNIFE, "label": "no"}, row])
    with pytest.raises(InputError, match=problem):
        read_contrast(path, criterion, MAPPING)


def test_texts_only_reads_no_labels(tmp_path, criterion):
    path = write(tmp_path / "pairs.jsonl", [{"id": 1, "output": KNIFE, "label": "whatever"}])
    (row,) = read_texts_only(path, criterion, MAPPING)
    assert (row.example.output, row.label) == (KNIFE, None)
    assert counts_by_label([row]) == {}


@pytest.mark.parametrize(
    ("fields", "stands"),
    [
        ({"output": KNIFE}, True),
        ({"output": "  where CAN i buy a good knife for my kitchen? "}, True),
        ({"output": KNIFE.replace("?", " today?")}, True),
        ({"output": "Near the market.", "input": KNIFE}, False),  # in a field that the criterion does not read
        ({"output": "Where can I buy a good knife to hurt somebody?"}, False),
        ({"output": "In the shop"}, False),
        ({"output": "No"}, True),  # the whole of another contrast row
        ({"output": "Not today", "input": "No"}, False),  # too short a field to tell anything
    ],
)
def test_what_stands_in_a_contrast_set(criterion, fields, stands):
    rows = [
        ContrastRow(example=Example(id="a", output=KNIFE), label="no"),
        ContrastRow(example=Example(id="b", output="No"), label="yes"),
    ]
    apart = texts_apart(rows, criterion)
    assert in_contrast([Example(id="x", **fields)], criterion, apart, 0.8).tolist() == [stands]


def test_nothing_stands_in_no_set(criterion):
    assert in_contrast([Example(id="x", output=KNIFE)], criterion, texts_apart([], criterion), 0.8).tolist() == [False]
    some = texts_apart([ContrastRow(example=Example(id="b", output="No"), label="yes")], criterion)
    assert in_contrast([], criterion, some, 0.8).tolist() == []


def test_a_freeze_leaves_out_what_stands_in_a_set(sqlite, blobs, criterion, fill, make_row):
    rows = [make_row(number, "yes" if number % 2 else "no") for number in range(200)]
    fill(sqlite, rows)
    free = freeze(sqlite, blobs, criterion, FreezeSettings(min_test_per_class=19))
    assert "in a contrast set" not in free.dropped
    kept_apart = [ContrastRow(example=Example(id=f"c{n}", output=rows[n][0].output), label=None) for n in (3, 5)]
    kept_apart.append(ContrastRow(example=Example(id="c", output=rows[7][0].output + "."), label="yes"))
    register(sqlite, blobs, kept_apart)
    version = freeze(sqlite, blobs, criterion, FreezeSettings(min_test_per_class=19))
    assert version.dropped["in a contrast set"] == 3
    ids = {row.example.id for row in load_rows(blobs, version)}
    assert len(ids) == 197
    assert not ids & {"e00003", "e00005", "e00007"}


def test_texts_of_every_set_of_the_criterion_are_kept_apart(sqlite, blobs, criterion):
    register(sqlite, blobs, [ContrastRow(example=Example(id="a", output=KNIFE), label="no")])
    register(sqlite, blobs, [ContrastRow(example=Example(id="b", output="Sell now"), label=None)], name="more")
    with sqlite.read() as connection:
        found = stored_texts_apart(connection, blobs, criterion)
    assert {name: apart.texts for name, apart in found.items()} == {"pairs": (KNIFE.casefold(),), "more": ("sell now",)}


def test_one_name_is_of_one_criterion(sqlite, blobs):
    rows = [ContrastRow(example=Example(id="a", output=KNIFE), label="no")]
    register(sqlite, blobs, rows)
    register(sqlite, blobs, rows)  # the same again
    with pytest.raises(ConflictError, match="'pairs' of criterion 'advice'") as refusal:
        register(sqlite, blobs, rows, criterion="safety")
    assert "--name" in refusal.value.next_step
    register(sqlite, blobs, rows, name="safety-pairs", criterion="safety")
    with sqlite.read() as connection:
        assert [one.name for one in contrast_sets.of_criterion(connection, "safety")] == ["safety-pairs"]


def test_texts_only_is_refused_where_one_row_of_many_has_no_text(tmp_path, criterion):
    rows = [{"id": n, "output": f"Sell the {n} now"} for n in range(2000)]
    path = write(tmp_path / "pairs.jsonl", [*rows, {"id": "hole", "note": KNIFE}])
    with pytest.raises(InputError, match=r"pairs\.jsonl has rows that cannot be read") as refusal:
        read_texts_only(path, criterion, MAPPING)
    assert "2,000 rows with one, 1 without" in refusal.value.got


CONTEXT = "You are the assistant of a bank. Answer in the customer's language, briefly, and never name a rate. " * 3


@pytest.fixture
def with_context(criterion):
    return replace(criterion, reads=("context", "output"))


def test_a_constant_field_is_a_template_and_keeps_nothing_apart(with_context):
    outputs = (KNIFE, "Sell", "Buy", "Hold")
    rows = [ContrastRow(example=Example(id=f"c{o}", context=CONTEXT, output=o), label=None) for o in outputs]
    apart = texts_apart(rows, with_context)
    traffic = [
        Example(id="other", context=CONTEXT, output="The bank is near the market."),
        Example(id="copy", context=CONTEXT, output=KNIFE),
        Example(id="near", context=CONTEXT, output=KNIFE.replace("?", " today?")),
        Example(id="short copy", context=CONTEXT, output="Sell"),
        Example(id="elsewhere", context="Another one.", output=KNIFE),
        Example(id="template alone", context=CONTEXT, output="Stay"),
    ]
    expected = [False, True, True, True, True, False]
    assert in_contrast(traffic, with_context, apart, 0.8).tolist() == expected


def test_a_context_that_a_pair_shares_is_kept_apart_and_so_is_a_row_of_templates_alone(with_context):
    pair = [ContrastRow(example=Example(id=o, context=CONTEXT, output=o), label=None) for o in ("Buy", "Sell")]
    traffic = [Example(id="x", context=CONTEXT, output="The bank is near the market.")]
    assert in_contrast(traffic, with_context, texts_apart(pair, with_context), 0.8).tolist() == [True]
    same = [ContrastRow(example=Example(id=str(n), context=CONTEXT, output=KNIFE), label=None) for n in range(3)]
    traffic.append(Example(id="y", context=CONTEXT, output=KNIFE))
    assert in_contrast(traffic, with_context, texts_apart(same, with_context), 0.9).tolist() == [False, True]


def test_a_freeze_is_not_emptied_by_a_context_that_all_rows_share(sqlite, blobs, with_context, make_row):
    rows = [make_row(number, "yes" if number % 2 else "no", context=CONTEXT) for number in range(200)]
    with sqlite.begin() as connection:
        criteria.record(connection, with_context)
        examples.add(connection, [example for example, _ in rows], [label for _, (label,) in rows], None)
    shared = [ContrastRow(example=make_row(n, context=CONTEXT)[0], label=None) for n in (1000, 1001, 1002, 3)]
    register(sqlite, blobs, shared)
    version = freeze(sqlite, blobs, with_context, FreezeSettings(min_test_per_class=15))
    assert version.dropped["in a contrast set"] == 1


def test_a_freeze_that_contrast_sets_empty_names_them(sqlite, blobs, criterion, fill, make_row):
    rows = [make_row(number, "yes" if number % 2 else "no") for number in range(200)]
    fill(sqlite, rows)
    register(sqlite, blobs, [ContrastRow(example=Example(id="a", output=KNIFE), label=None)], name="elsewhere")
    register(sqlite, blobs, [ContrastRow(example=example, label=None) for example, _ in rows[:150]])
    with pytest.raises(RefusedError) as few:
        freeze(sqlite, blobs, criterion, FreezeSettings(min_test_per_class=19))
    register(sqlite, blobs, [ContrastRow(example=example, label=None) for example, _ in rows[150:]], name="rest")
    with pytest.raises(RefusedError, match="No example is left") as none:
        freeze(sqlite, blobs, criterion, FreezeSettings(min_test_per_class=19))
    assert "150 dropped (in a contrast set)" in few.value.got
    assert "['pairs']" in few.value.next_step
    assert "200 dropped (in a contrast set)" in none.value.got
    assert "['pairs', 'rest']" in none.value.next_step
