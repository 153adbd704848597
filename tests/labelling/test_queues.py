"""Making queues, and the weights they leave."""

import json

import numpy as np
import pytest

from assay.labelling.desk import hand_of, take
from assay.labelling.estimates import pool_shares, weighted_share
from assay.labelling.evidence import Evidence, scores_of
from assay.labelling.export import iter_export
from assay.labelling.opinions import read_opinions
from assay.labelling.queues import Listed, QueuePlan, make_listed_queue, make_queue, pool_of
from assay.labelling.scores import Opinion
from assay.schema.errors import ConflictError, InputError, NotFoundError, RefusedError
from assay.schema.label import Label
from assay.store import examples
from assay.store.labelling import queues
from assay.store.labelling.queues import PoolFilter
from assay.store.labelling.weights import weights


def items_of(database, queue):
    with database.read() as connection:
        return list(queues.iter_items(connection, queue.record.name))


def opinions(sure=()):
    """A judge that is sure of the named ones and torn about the others."""
    return {
        f"e{n:03}": Opinion(label="yes", probabilities={"yes": p, "no": 1 - p})
        for n in range(12)
        for p in [1.0 if n in sure else 0.5]
    }


def drawn_by(database, criterion, evidence, **options):
    plan = QueuePlan(**options)
    pool = pool_of(database, criterion, plan)
    return make_queue(database, criterion, plan, pool, scores_of(database, criterion, plan, pool, evidence))


def test_a_uniform_queue_knows_its_probabilities(filled, queued):
    queue = queued(budget=6)
    assert (queue.record.name, queue.record.size, queue.record.pool_size) == ("advice-1", 6, 12)
    found = items_of(filled, queue)
    assert [item.inclusion for item in found] == [0.5] * 6
    assert {item.stratum for item in found} == {"uniform"}
    assert sum(item.wanted == 2 for item in found) == 2  # a fifth, rounded up


def test_what_waits_or_has_an_experts_label_is_not_drawn_again(filled, queued, person, said):
    first = queued(budget=5)
    second = queued(budget=50)
    assert second.record.size == second.record.pool_size == 7
    with pytest.raises(RefusedError, match="nothing to draw from"):
        queued(budget=1)
    with filled.begin() as connection:
        queues.close(connection, first.record.name)
    assert queued(budget=50).record.pool_size == 5


def test_uncertainty_draws_what_is_uncertain_and_weights_make_up_for_it(filled, advice, person, said):
    queue = drawn_by(
        filled,
        advice,
        Evidence(ours=opinions(sure=range(6)), named="j"),
        budget=6,
        by="uncertainty",
        uniform_share=0.5,
        overlap_share=0.0,
    )
    inclusion = {item.example_id: item.inclusion for item in items_of(filled, queue)}
    for example_id, probability in inclusion.items():  # ½·6/12 and that + ½·6·(1/6)
        assert probability == pytest.approx(0.25 if example_id < "e006" else 0.75)
    mia = person("mia")
    hand_of(filled, mia, queue.record.name)
    for position in range(6):
        take(filled, mia, said(queue, position))
    with filled.read() as connection:
        found = weights(connection, advice)
    assert found == {example_id: pytest.approx(6 / (12 * p)) for example_id, p in inclusion.items()}


def test_only_labelled_items_have_weights_and_a_list_has_none(filled, advice, person, said):
    queue = make_listed_queue(
        filled,
        advice,
        QueuePlan(budget=9, by="list", overlap_share=0.0),
        [Listed(example_id="e001"), Listed(example_id="e002", hint="suspect")],
    )
    mia = person("mia")
    position = hand_of(filled, mia, queue.record.name).positions[0]
    take(filled, mia, said(queue, position))
    with filled.read() as connection:
        assert list(weights(connection, advice).values()) == [1.0]
    assert pool_shares(filled, queue.record.name, advice.labels) == {}


def test_disagreement_with_the_stored_labels(filled, advice):
    stored = [
        Label(example_id=f"e{n:03}", value="yes" if n else "no", labeller="llm", source="teacher", criterion=advice.key)
        for n in range(4)
    ]
    with filled.begin() as connection:
        examples.add(connection, [], stored, None)
    ours = {f"e{n:03}": Opinion(label="yes") for n in range(12)}
    queue = drawn_by(filled, advice, Evidence(ours=ours, named="j"), budget=3, by="disagreement", overlap_share=0.0)
    (first,) = [item for item in items_of(filled, queue) if item.example_id == "e000"]
    assert (first.inclusion, first.score) == (1.0, 1.0)
    never = {f"e{n:03}": Opinion(label="no" if n == 0 else "yes") for n in range(12)}
    with pytest.raises(RefusedError, match="never disagree"):
        drawn_by(filled, advice, Evidence(ours=never), budget=3, by="disagreement", pool=PoolFilter())


def test_coverage_gives_each_slice_as_many(filled, advice):
    queue = drawn_by(filled, advice, Evidence(slice_key="lang"), budget=4, by="coverage", uniform_share=0.01)
    german = sum(item.example_id < "e003" for item in items_of(filled, queue))
    assert german == 2
    with pytest.raises(InputError, match="has the key 'mood'"):
        drawn_by(filled, advice, Evidence(slice_key="mood"), budget=1, by="coverage")


def test_considering_a_part_of_the_pool_enters_the_probabilities(filled, advice):
    plan = QueuePlan(budget=3, consider=6)
    pool = pool_of(filled, advice, plan)
    queue = make_queue(filled, advice, plan, pool)
    assert (len(pool.ids), pool.size) == (6, 12)
    assert [item.inclusion for item in items_of(filled, queue)] == [0.25] * 3


def test_shares_of_the_pool_by_hand():
    found = weighted_share(np.array([1.0, 1.0, 0.0, 0.0]), np.array([1.0, 1.0, 4.0, 4.0]))
    assert found.value == pytest.approx(0.2)
    assert found.low < 0.2 < found.high
    sure = weighted_share(np.ones(10), np.ones(10))
    assert (sure.value, sure.low) == (1.0, pytest.approx(0.7225, abs=1e-4))  # Wilson at 10 of 10


def test_an_export_holds_everything_and_says_nothing_twice(filled, queued, person, said):
    queue, mia = queued(overlap_share=0.0), person("mia")
    hand_of(filled, mia, queue.record.name)
    take(filled, mia, said(queue, 0, "no", note="hm", took_s=2.0))
    (row,) = iter_export(filled, queue.record.name)
    assert row["labels"][0]["value"] == "no"
    assert row["labels"][0]["explanation"] == "hm"
    assert row["weight"] == 1.0
    assert row["meta"]["labelling"]["answers"] == [{"labeller": "mia", "took_s": 2.0, "highlights": []}]
    assert json.loads(json.dumps(row)) == row


def test_verdict_files_of_every_shape(tmp_path, advice):
    rows = [
        {"id": "a", "verdict": {"kind": "decided", "label": "yes", "probabilities": {"yes": 0.8, "no": 0.2}}},
        {
            "id": "b",
            "verdict_kind": "abstained",
            "verdict_label": None,
            "verdict_probabilities": '{"yes":0.5,"no":0.5}',
        },
        {"id": "c", "label": "no"},
        {"id": "d", "verdict": {"kind": "failed", "reason": "broken"}},
    ]
    path = tmp_path / "verdicts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert read_opinions(path, advice) == {
        "a": Opinion(label="yes", probabilities={"yes": 0.8, "no": 0.2}),
        "b": Opinion(label=None, probabilities={"yes": 0.5, "no": 0.5}),
        "c": Opinion(label="no"),
        "d": Opinion(label=None),
    }
    path.write_text('{"label": "no"}\n')
    with pytest.raises(InputError, match="names no example"):
        read_opinions(path, advice)
    path.write_text('{"id": "a", "label": "perhaps"}\n')
    with pytest.raises(InputError, match="not on the scale"):
        read_opinions(path, advice)


@pytest.mark.parametrize(
    "bad",
    [
        {"budget": 0},
        {"budget": 1, "uniform_share": 0.0},
        {"budget": 1, "overlap_share": 1.5},
        {"budget": 1, "labellers_each": 0},
    ],
)
def test_plans_that_cannot_be_are_refused(bad):
    with pytest.raises(InputError):
        QueuePlan(**bad)


def test_names_are_taken_once_and_lists_name_what_is_there(filled, queued, advice):
    queued(name="mine", budget=1)
    with pytest.raises(ConflictError, match="'mine' already"):
        queued(name="mine", budget=1)
    with pytest.raises(NotFoundError, match="no example 'nope'"):
        make_listed_queue(filled, advice, QueuePlan(budget=1, by="list"), [Listed(example_id="nope")])
    with pytest.raises(InputError, match="needs scores"):
        queued(by="uncertainty", budget=1)
