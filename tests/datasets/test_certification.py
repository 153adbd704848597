"""Rows for a certificate: from a real queue in a real database, or as somebody stated."""

import numpy as np
import pytest

from assay.datasets.certification import rows_as_stated, rows_of_queue
from assay.labelling.queues import QueuePlan, Scores, make_queue, pool_of
from assay.schema.errors import NotFoundError, RefusedError
from assay.schema.example import Example
from assay.schema.label import Label
from assay.store import criteria, examples


@pytest.fixture
def criterion(make_criterion):
    return make_criterion()


def bring(database, criterion, count=40, **changes):
    rows = [Example(id=f"e{n:03}", output=f"answer {n}", **changes) for n in range(count)]
    with database.begin() as connection:
        criteria.record(connection, criterion)
        examples.add(connection, rows, [], None)


def label(database, ids, source="expert"):
    rows = [
        Label(example_id=name, value=("yes", "no")[n % 2], labeller="mia", source=source, criterion="advice/1")
        for n, name in enumerate(ids)
    ]
    with database.begin() as connection:
        examples.add(connection, [], rows, None)


def drawn(database, criterion, budget=20, **plan):
    made = QueuePlan(budget=budget, overlap_share=0.0, labellers_each=1, **plan)
    pool = pool_of(database, criterion, made)
    scores = Scores(values=np.arange(len(pool.ids), dtype=float)) if made.by != "uniform" else None
    return make_queue(database, criterion, made, pool, scores).record


def items(database, queue):
    from assay.store.labelling import queues  # noqa: PLC0415

    with database.read() as connection:
        return [item.example_id for item in queues.iter_items(connection, queue)]


def taken(database, criterion, queue, known=(), accept=("expert",)):
    return rows_of_queue(database, criterion, queue, known=known, accept=accept)


def test_a_uniform_queue_gives_equal_weights(database, criterion):
    bring(database, criterion)
    queue = drawn(database, criterion).name
    ids = items(database, queue)
    label(database, ids)
    rows = taken(database, criterion, queue)
    assert rows.drawn == "uniform"
    assert [example.id for example in rows.examples] == ids
    assert rows.weights == pytest.approx([2.0] * 20)  # 20 of 40
    assert set(rows.labels) == {"yes", "no"}
    assert rows.stated_by == f"queue {queue}"


def test_a_queue_by_uncertainty_keeps_its_weights_and_their_bound(database, criterion):
    bring(database, criterion)
    record = drawn(database, criterion, by="uncertainty", uniform_share=0.25)
    label(database, items(database, record.name))
    rows = taken(database, criterion, record.name)
    assert rows.drawn == "weighted"
    assert max(rows.weights) <= rows.max_weight == pytest.approx(40 / (0.25 * 20))


def test_a_missing_label_stays_in_and_too_many_are_refused(database, criterion):
    bring(database, criterion)
    queue = drawn(database, criterion).name
    ids = items(database, queue)
    label(database, ids[:18])
    with pytest.raises(RefusedError, match="Not certifiable") as caught:
        taken(database, criterion, queue)
    assert "2 without a label" in caught.value.got
    label(database, ids[18:19])
    assert taken(database, criterion, queue).labels.count(None) == 1


def test_rows_that_made_the_judge_are_left_out(database, criterion):
    bring(database, criterion)
    queue = drawn(database, criterion).name
    ids = items(database, queue)
    label(database, ids)
    rows = taken(database, criterion, queue, known=set(ids[:5]))
    assert [example.id for example in rows.examples] == ids[5:]
    with pytest.raises(RefusedError, match="Not certifiable"):
        taken(database, criterion, queue, known=set(ids))


def test_a_queue_of_other_sources_or_labellers_does_not_do(database, criterion):
    bring(database, criterion, source="synthetic")
    queue = drawn(database, criterion).name
    label(database, items(database, queue), source="crowd")
    with pytest.raises(RefusedError) as caught:
        taken(database, criterion, queue)
    assert "20 of 20 rows of other sources" in caught.value.got
    with pytest.raises(NotFoundError):
        taken(database, criterion, "no-such")


def test_only_accepted_labels_count(database, criterion):
    bring(database, criterion)
    queue = drawn(database, criterion).name
    label(database, items(database, queue), source="crowd")
    with pytest.raises(RefusedError):
        taken(database, criterion, queue)
    assert len(taken(database, criterion, queue, accept=("crowd", "expert")).examples) == 20


def test_stated_rows_are_those_of_production(database, criterion):
    bring(database, criterion, count=10)
    label(database, [f"e{n:03}" for n in range(8)])
    stated = {"drawn": "uniform", "stated_by": "eve", "accept": ("expert",)}
    rows = rows_as_stated(database, criterion, known={"e000"}, **stated)
    assert [example.id for example in rows.examples] == [f"e{n:03}" for n in range(1, 8)]
    assert (rows.stated_by, rows.left_out["in the judge's dataset"]) == ("eve", 1)
    with pytest.raises(RefusedError, match="Not certifiable"):
        rows_as_stated(database, criterion, known={f"e{n:03}" for n in range(8)}, **stated)
