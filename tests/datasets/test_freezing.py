"""Freezing from a real store."""

import random
from collections import Counter
from dataclasses import replace

import pytest

from assay.datasets.freezing import freeze
from assay.datasets.frozen_rows import load_rows, rows_from_bytes, rows_of, rows_to_bytes
from assay.datasets.minimums import FreezeSettings
from assay.ingest.importing import import_file
from assay.ingest.labelled import ImportSettings
from assay.ingest.mapping import FieldMapping
from assay.schema.criterion import Criterion, Level, Scale
from assay.schema.dataset import FROZEN_SPLITS, Waiver
from assay.schema.errors import IntegrityError, NotFoundError, RefusedError
from assay.schema.trace import ImagePart, TextPart, Turn
from assay.store import datasets
from assay.store.blobs import Blobs
from assay.store.database import open_database

SMALL = FreezeSettings(min_test_per_class=20)


@pytest.fixture
def store(sqlite, blobs):
    return sqlite, blobs


@pytest.fixture
def rows(make_row):
    """100 rows of each class."""
    return [make_row(number, "yes" if number % 2 else "no") for number in range(200)]


def test_a_frozen_dataset_holds_every_row_once(database, blobs, criterion, rows, fill):
    fill(database, rows)
    version = freeze(database, blobs, criterion, SMALL)
    loaded = load_rows(blobs, version)
    assert [row.example.id for row in loaded] == [example.id for example, _ in rows]
    assert [(row.example, row.labels) for row in loaded] == rows
    assert version.id == f"advice-data-{version.digest[:8]}"
    assert version.counts == {
        "train": {"yes": 55, "no": 55},
        "dev": {"yes": 10, "no": 10},
        "calibration": {"yes": 15, "no": 15},
        "test": {"yes": 20, "no": 20},
    }
    assert version.deciding_sources["test"] == {"expert": 40}
    assert version.waiver == Waiver(accept_labels=("expert",), min_test_per_class=20)
    assert {split: len(rows_of(loaded, split)) for split in FROZEN_SPLITS} == {
        "train": 110,
        "dev": 20,
        "calibration": 30,
        "test": 40,
    }
    with database.read() as connection:
        assert datasets.get(connection, version.id) == version
        assert datasets.latest(connection, "advice") == version


def test_the_same_rows_and_seed_give_the_same_digest_in_any_order(tmp_path, criterion, rows, fill):
    digests = set()
    for number in range(3):
        shuffled = list(rows)
        random.Random(number).shuffle(shuffled)
        opened = open_database(f"sqlite:///{tmp_path / f'{number}.db'}")
        fill(opened, shuffled)
        blobs = Blobs(tmp_path / f"blobs-{number}")
        digests.add(freeze(opened, blobs, criterion, SMALL).digest)
        opened.close()
    assert len(digests) == 1


def test_what_changes_the_digest(sqlite, blobs, criterion, rows, fill):
    fill(sqlite, rows)
    first = freeze(sqlite, blobs, criterion, SMALL)
    assert freeze(sqlite, blobs, criterion, SMALL) == first
    others = [
        replace(SMALL, seed=1),
        replace(SMALL, min_test_per_class=19),
        replace(SMALL, accept_labels=("author",)),
        replace(SMALL, near_duplicate_threshold=0.9),
    ]
    digests = {freeze(sqlite, blobs, criterion, settings).digest for settings in others}
    assert len(digests | {first.digest}) == 5


def test_one_more_label_changes_the_digest(sqlite, blobs, criterion, rows, fill, make_label):
    fill(sqlite, rows)
    first = freeze(sqlite, blobs, criterion, SMALL)
    example, _ = rows[0]
    fill(sqlite, [(example, (make_label("no", labeller="zoe", example_id=example.id),))])
    assert freeze(sqlite, blobs, criterion, SMALL).digest != first.digest


def test_duplicates_ties_and_conflicts_are_counted(store, criterion, rows, fill, make_row, make_label):
    sqlite, blobs = store
    same = make_row(900, "no", output=rows[0][0].output.upper())  # rows[0] is "no" too
    against = make_row(901, "no", output=rows[1][0].output)  # rows[1] is "yes"
    example, labels = make_row(902, "yes")
    tied = (example, (*labels, make_label("no", labeller="zoe", example_id=example.id)))
    fill(sqlite, [*rows, same, against, tied])
    version = freeze(sqlite, blobs, criterion, FreezeSettings(min_test_per_class=19))
    assert version.dropped == {
        "no text to judge": 0,
        "tied labels": 1,
        "exact duplicate, merged": 1,
        "exact duplicate, conflicting labels": 2,
    }
    loaded = {row.example.id: row for row in load_rows(blobs, version)}
    assert len(loaded) == 199
    assert loaded["e00000"].target.votes == {"no": 2}
    assert version.agreement["pairwise_agreement"]["n"] == 1


def test_a_row_without_text_in_the_fields_that_are_read_is_left_out_and_counted(store, criterion, rows, fill, make_row):
    sqlite, blobs = store
    blank = make_row(910, "no", output=" \n\t", input="a question, which the criterion does not read")
    image = make_row(911, "yes", output=(ImagePart(blob="0" * 64),))
    fill(sqlite, [*rows, blank, image])
    version = freeze(sqlite, blobs, criterion, SMALL)
    assert version.dropped["no text to judge"] == 2
    assert not {"e00910", "e00911"} & {row.example.id for row in load_rows(blobs, version)}


def test_rows_without_text_alone_are_refused(sqlite, blobs, criterion, fill, make_row):
    fill(sqlite, [make_row(number, ("yes", "no")[number % 2], output=" " * number) for number in range(1, 5)])
    with pytest.raises(RefusedError, match=r"No example is left.*4 dropped \(no text to judge\)"):
        freeze(sqlite, blobs, criterion, SMALL)
    assert not blobs.root.exists()


def test_no_group_and_no_near_duplicate_straddles(sqlite, blobs, criterion, fill, make_row):
    rows = []
    for number in range(400):
        label = "yes" if number % 2 else "no"
        rows.append(make_row(number, label, group=f"g{number // 4}" if number % 3 else None))
    for number in range(0, 400, 9):  # a near-duplicate of another row, in no group or in another
        text = f"{rows[number][0].output}."
        rows.append(make_row(1000 + number, "yes" if number % 2 else "no", output=text, group=f"h{number % 4}"))
    fill(sqlite, rows)
    loaded = load_rows(blobs, freeze(sqlite, blobs, criterion, FreezeSettings(min_test_per_class=10)))
    splits = {row.example.id: row.split for row in loaded}
    by_group, by_component = {}, {}
    for row in loaded:
        by_component.setdefault(row.component, set()).add(row.split)
        if row.example.group:
            by_group.setdefault(row.example.group, set()).add(row.split)
    assert len(by_group) > 50
    assert all(len(found) == 1 for found in [*by_group.values(), *by_component.values()])
    assert all(splits[f"e{number:05}"] == splits[f"e{1000 + number:05}"] for number in range(0, 400, 9))


def test_a_merged_duplicate_ties_the_groups_of_both(sqlite, blobs, criterion, fill, rows, make_row):
    one = make_row(500, "yes", group="left")
    same = make_row(501, "yes", group="right", output=one[0].output)
    left, right = make_row(502, "no", group="left"), make_row(503, "no", group="right")
    fill(sqlite, [*rows, one, same, left, right])
    loaded = {row.example.id: row for row in load_rows(blobs, freeze(sqlite, blobs, criterion, SMALL))}
    assert loaded["e00502"].component == loaded["e00503"].component == "e00500"


def test_a_refused_freeze_stores_nothing(sqlite, blobs, criterion, fill, rows):
    fill(sqlite, rows)
    with pytest.raises(RefusedError, match=r"20 yes \(20 by expert\), 20 no.*--min-test-per-class 20"):
        freeze(sqlite, blobs, criterion, FreezeSettings())
    with sqlite.read() as connection:
        assert datasets.latest(connection, "advice") is None
    assert not blobs.root.exists()


def test_one_class_only(sqlite, blobs, criterion, fill, make_row):
    fill(sqlite, [make_row(number) for number in range(300)])
    with pytest.raises(RefusedError, match="All rows have one class"):
        freeze(sqlite, blobs, criterion, SMALL)


def test_nothing_labelled_and_nothing_left(sqlite, blobs, criterion, fill, make_row):
    with pytest.raises(NotFoundError, match=r"No example has a label.*assay data import FILE --criterion advice"):
        freeze(sqlite, blobs, criterion, SMALL)
    fill(sqlite, [make_row(1, "yes", output="x"), make_row(2, "no", output="x")])
    with pytest.raises(RefusedError, match=r"No example is left.*2 dropped \(exact duplicate, conflicting"):
        freeze(sqlite, blobs, criterion, SMALL)


def test_damaged_rows_are_noticed(sqlite, blobs, criterion, fill, rows):
    fill(sqlite, rows)
    version = freeze(sqlite, blobs, criterion, SMALL)
    path = blobs.path(version.rows_blob)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(IntegrityError):
        load_rows(blobs, version)


def test_rows_of_every_kind_come_back(sqlite, blobs, criterion, fill, rows, make_row):
    rich = make_row(
        700,
        "yes",
        output=(TextPart(text="line\u2028separator\r\n<|eot_id|>"), ImagePart(blob="0" * 64)),
        turns=(Turn(role="tool", content="x"),),
        meta={"a": [1, 2.5, None, {"b": "é"}]},
        weight=3.5,
    )
    long = make_row(701, "no", output="very long " * 100_000)
    fill(sqlite, [*rows, rich, long])
    loaded = {row.example.id: row for row in load_rows(blobs, freeze(sqlite, blobs, criterion, SMALL))}
    assert loaded["e00700"].example == rich[0]
    assert loaded["e00701"].example == long[0]
    again = rows_from_bytes(rows_to_bytes(reversed(list(loaded.values()))))
    assert again == list(loaded.values())


def real(name, positive, negative):
    scale = Scale(kind="binary", levels=(Level(label=positive), Level(label=negative)), positive=positive)
    return Criterion(name=name, version="1", question="?", reads=("input",), scale=scale)


SURGE = (real("surge", "toxic", "not_toxic"), "toxicity_safety/surge_toxicity", None)
PRESIDIO = (real("presidio", "pii", "no_pii"), "pii/presidio_synth_v2", "meta.template_id")


@pytest.mark.parametrize(("data", "kept"), [(SURGE, 999), (PRESIDIO, 1385)], ids=["surge", "presidio"])
def test_real_data_is_frozen_with_the_printed_waiver(store, bench_data, tmp_path, data, kept):
    (sqlite, blobs), (criterion, file, group) = store, data
    mapping = FieldMapping(columns={"group": group} if group else {}, label_source="crowd")
    reading = ImportSettings(mapping=mapping, set_aside_dir=tmp_path)
    imported = import_file(sqlite, criterion, bench_data / f"{file}.jsonl.gz", reading)
    with pytest.raises(RefusedError) as refusal:
        freeze(sqlite, blobs, criterion, FreezeSettings())
    words = refusal.value.next_step.split()
    settings = FreezeSettings(accept_labels=(words[-3],), min_test_per_class=int(words[-1]))
    version = freeze(sqlite, blobs, criterion, settings)
    loaded = load_rows(blobs, version)
    assert len(loaded) == kept == imported.new_examples - sum(version.dropped.values())
    groups = {}
    for row in loaded:
        groups.setdefault(row.example.group or row.example.id, set()).add(row.split)
    assert all(len(splits) == 1 for splits in groups.values())
    share = Counter(row.target.value for row in loaded)
    for split, target in (("train", 0.55), ("dev", 0.10), ("calibration", 0.15), ("test", 0.20)):
        for label, total in share.items():
            assert abs(version.counts[split][label] - target * total) <= 0.02 * total
