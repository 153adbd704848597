"""An expert's label of a verdict counts in the queue in which it waits, as if it were given at the labelling page."""

import pytest

from assay.labelling import desk
from assay.labelling.by_verdict import answer_by_verdict
from assay.schema.ids import utc_now
from assay.schema.label import Label
from assay.schema.verdict import AWAITING_PERSON, BY_PEOPLE, Abstained
from assay.store import awaiting, examples, verdicts
from assay.store.labelling import queues, work
from assay.store.verdicts import GivenVerdict

QUEUE = "escalated-advice-1"


@pytest.fixture
def escalated(filled):
    """Verdicts on the first two examples, waiting for people; the third one was the judge's own."""
    rows = []
    for number in range(3):
        said = Abstained(
            reason="unsure",
            probabilities={"yes": 0.5, "no": 0.5},
            scores={},
            judge="advice-0",
            latency_ms=1.0,
            route=BY_PEOPLE if number < 2 else "judge",
            reason_code=AWAITING_PERSON if number < 2 else "in-band",
        )
        given = GivenVerdict(
            id=f"vd_{number}",
            request_id="r",
            name="advice",
            criterion="advice/1",
            role="champion",
            verdict=said,
            action="flag",
            service_ms=1.0,
            created_at=utc_now(),
        )
        with filled.read() as connection:
            example = next(queues.iter_examples(connection, [f"e{number:03}"]))
        rows.append(verdicts.columns(given, example))
    with filled.begin() as connection:
        verdicts.add(connection, rows)
        assert awaiting.add(connection, rows) == {}
    return filled


def label(value="no", labeller="mia", **more):
    given = {"source": "expert", "criterion": "advice/1", "created_at": utc_now()}
    return Label(example_id="", value=value, labeller=labeller, **{**given, **more})


def standing(database, verdict="vd_0"):
    with database.read() as connection:
        return awaiting.of(connection, [verdict])[verdict]


def labels(database):
    with database.read() as connection:
        found = examples.iter_labelled(connection, "advice/1")
        return {(one.id, given.labeller): given.value for one, several in found for given in several}


def counters(database):
    with database.read() as connection:
        queue = queues.get(connection, QUEUE)
        return queue.finished, queue.disputed, work.member(connection, QUEUE, "mia").labelled


def test_the_answer_closes_the_item_and_stands_with_the_verdict(escalated):
    answered = answer_by_verdict(escalated, "vd_0", label(explanation="it names none"))
    assert (answered.queue, answered.position, answered.example_id, answered.new) == (QUEUE, 0, "e000", True)
    found = standing(escalated)
    assert (found.state, found.label) == ("answered", "no")
    assert [(one.labeller, one.value, one.note) for one in found.answers] == [("mia", "no", "it names none")]
    assert labels(escalated) == {("e000", "mia"): "no"}
    assert counters(escalated) == (1, 0, 1)
    assert standing(escalated, "vd_1").state == "awaiting"


def test_the_same_answer_again_changes_nothing_and_another_one_takes_its_place(escalated):
    assert [answer_by_verdict(escalated, "vd_0", label()).new for _ in range(2)] == [True, False]
    assert counters(escalated) == (1, 0, 1)
    assert answer_by_verdict(escalated, "vd_0", label("yes")).new
    found = standing(escalated)
    assert (found.state, found.label, len(found.answers)) == ("answered", "yes", 1)
    assert labels(escalated) == {("e000", "mia"): "yes"}
    assert counters(escalated) == (1, 0, 1)


def test_two_experts_who_differ_are_settled_by_an_adjudicator(escalated):
    for name, value in (("mia", "no"), ("ada", "yes")):
        answer_by_verdict(escalated, "vd_0", label(value, name))
    found = standing(escalated)
    assert (found.state, found.label) == ("disputed", None)
    assert {one.labeller: one.value for one in found.answers} == {"mia": "no", "ada": "yes"}
    assert counters(escalated) == (1, 1, 1)
    answer_by_verdict(escalated, "vd_0", label("yes", "adjudication/lead"))
    found = standing(escalated)
    assert (found.state, found.label) == ("answered", "yes")
    assert counters(escalated) == (1, 0, 1)


def test_who_had_it_before_them_at_the_page_has_it_no_more(escalated, person):
    ada = person("ada")
    assert desk.hand_of(escalated, ada, QUEUE).positions == (0, 1)
    answer_by_verdict(escalated, "vd_0", label())
    assert desk.hand_of(escalated, ada, QUEUE).positions == (1,)


def test_what_was_answered_so_can_be_taken_back_at_the_page(escalated, person):
    mia = person("mia")
    answer_by_verdict(escalated, "vd_0", label())
    hand = desk.undo_last(escalated, mia, QUEUE, "key-00001")
    assert hand.positions[0] == 0
    assert hand.items[0].previous.value == "no"
    assert standing(escalated).state == "awaiting"
    assert labels(escalated) == {}
    assert counters(escalated) == (0, 0, 0)


def test_a_page_answer_counts_once_when_it_comes_again_by_the_verdict(escalated, person, said):
    with escalated.read() as connection:
        queue = queues.get(connection, QUEUE)
    desk.take(escalated, person("mia"), said(queue, 0, "no"))
    assert not answer_by_verdict(escalated, "vd_0", label()).new
    assert counters(escalated) == (1, 0, 1)


def test_a_verdict_that_waits_nowhere_is_left_alone(escalated):
    assert answer_by_verdict(escalated, "vd_2", label()) is None
    assert answer_by_verdict(escalated, "vd_9", label()) is None
    assert labels(escalated) == {}
