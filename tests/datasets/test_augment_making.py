"""Making: each kind asks a real local server and changes the field that is its own; what was made is kept."""

import json

import pytest

from assay.datasets.augmentation.cost import cost_of
from assay.datasets.augmentation.kinds import KINDS, Ends
from assay.datasets.augmentation.making import Maker, make_unaided, open_derivative
from assay.datasets.augmentation.parents import TaskPlan, planned_tasks
from assay.datasets.augmentation.prompts import ask_of
from assay.llm.client import LlmClient
from assay.llm.endpoint import Endpoint
from assay.llm.paying import PaidClient
from assay.llm.prices import Price, read_prices
from assay.llm.recorded_endpoint import RecordedEndpoint, Reply, said
from assay.schema.criterion import Criterion, Level, Scale
from assay.schema.dataset import FrozenRow
from assay.schema.errors import LanguageModelError
from assay.schema.example import Example
from assay.schema.ids import utc_now
from assay.schema.label import Target
from assay.store import augmentations, criteria
from assay.store.augmentations import AugmentationRecord
from assay.store.spending import Caps, Ledger

ID = "support-augment-00000001"
LEVELS = (Level(label="supported"), Level(label="unsupported"))
CRITERION = Criterion(
    name="support",
    version="1",
    question="Does the context support the answer?",
    reads=("context", "input", "output", "reference"),
    scale=Scale(kind="binary", levels=LEVELS, positive="unsupported"),
)
ROW = Example(
    id="r1",
    context="Parcels are delivered within five days.",
    input="How long does it take?",
    output="Within five days.",
    reference="Five days.",
)
# what a model said when it was asked
RECORDED = {
    "paraphrase": "It will be with you in no more than five days.",
    "flip": "Within two days, on Sundays too.",
    "corrupt": "Within five working days, and Saturdays do not count.",
    "policy-flip": "Parcels are delivered within three weeks.",
}


@pytest.fixture
def tasks_of(sqlite):
    """The tasks of a kind, recorded as open."""

    def make(kind, *, rows=1):
        target = Target(value="supported", source="expert", votes={"supported": 1}, agreement=1.0)
        frozen = [
            FrozenRow(
                example=Example(**{**vars(ROW), "id": f"r{number}"}),
                labels=(),
                target=target,
                split="train",
                component=f"r{number}",
            )
            for number in range(rows)
        ]
        plan = TaskPlan(receipt=ID, per_kind=rows, seed=0, ends=Ends(good="supported", bad="unsupported"))
        tasks = planned_tasks(KINDS[kind], frozen, CRITERION, plan)
        record = AugmentationRecord(
            id=ID,
            criterion=CRITERION.key,
            dataset="support-data-00000000",
            kinds=(kind,),
            per_kind=rows,
            seed=0,
            good="supported",
            bad="unsupported",
            generator=None,
            prompts={},
            created_at=utc_now(),
        )
        with sqlite.begin() as connection:
            criteria.record(connection, CRITERION)
            augmentations.add(connection, record, [open_derivative(task) for task in tasks])
        return tasks

    return make


@pytest.fixture
def maker_of(sqlite):
    def make(endpoint):
        price = Price(input=1.0, output=2.0)
        where = Endpoint(name="here", base_url=endpoint.base_url, model="scribe", max_retries=0, price=price)
        client = PaidClient(LlmClient(where), read_prices(), Ledger(sqlite, Caps()), f"augmentation/{ID}")
        return Maker(database=sqlite, client=client, model="scribe", receipt=ID, criterion=CRITERION)

    return make


def made(database):
    with database.read() as connection:
        return augmentations.derivatives_of(connection, ID)


@pytest.mark.parametrize("kind", list(RECORDED))
def test_a_kind_changes_its_field_and_no_other(sqlite, tasks_of, maker_of, kind):
    tasks = tasks_of(kind)
    with RecordedEndpoint([said(json.dumps({"text": RECORDED[kind]}))]) as endpoint:
        assert maker_of(endpoint).run(tasks) == 0
    (one,) = made(sqlite)
    changed = "context" if kind == "policy-flip" else "output"
    assert one.example.content() == {**ROW.content(), changed: RECORDED[kind]}
    assert one.label == ("supported" if kind == "paraphrase" else "unsupported")
    asked = json.loads(endpoint.asked[0]["messages"][1]["content"])
    assert (asked["rewrite"], asked["label_wanted"]) == (changed, one.label)
    assert endpoint.asked[0]["response_format"]["json_schema"]["schema"]["required"] == ["text"]


@pytest.mark.parametrize("kind", ["swap", "reference-drop"])
def test_kinds_without_help_are_made_at_once(sqlite, tasks_of, kind):
    tasks = tasks_of(kind, rows=2)
    make_unaided(sqlite, ID, tasks)
    assert [one.state for one in made(sqlite)] == ["made"] * len(tasks)


def test_a_call_without_an_answer_leaves_its_text_open(sqlite, tasks_of, maker_of):
    tasks = tasks_of("flip", rows=3)
    replies = [Reply(status=503), said(json.dumps({"text": RECORDED["flip"]}))]
    with RecordedEndpoint(replies) as endpoint:
        maker = maker_of(endpoint)
        assert maker.run(tasks) == 1
        left = [one.id for one in made(sqlite) if one.state == "open"]
        assert len(left) == 1
        assert maker.run([task for task in tasks if task.id in left]) == 0
    assert [one.state for one in made(sqlite)] == ["made"] * 3


def test_five_silences_in_a_row_end_the_run(sqlite, tasks_of, maker_of):
    tasks = tasks_of("flip", rows=40)
    with RecordedEndpoint([Reply(status=503)]) as endpoint, pytest.raises(LanguageModelError, match="status 503"):
        maker_of(endpoint).run(tasks)
    assert len(endpoint.asked) < 5 + 8
    assert {one.state for one in made(sqlite)} == {"open"}


def test_progress_is_told_and_the_cost_is_no_more_than_was_said(sqlite, tasks_of, maker_of):
    tasks = tasks_of("flip", rows=5)
    seen = []
    with RecordedEndpoint([said(json.dumps({"text": RECORDED["flip"]}), tokens_in=600, tokens_out=25)]) as endpoint:
        maker = maker_of(endpoint)
        asks = [ask_of(task, CRITERION) for task in tasks]
        cost = cost_of(asks, maker.client, "scribe", 5 * len(ROW.output))
        maker.run(tasks, lambda done, total: seen.append((done, total)))
    assert sorted(seen) == [(number, 5) for number in range(1, 6)]
    assert (cost.calls, cost.tokens_in) == (5, sum(len((ask.system + ask.user).encode()) // 4 for ask in asks))
    assert cost.tokens_out == 5 * len(ROW.output) // 4 + 5 * 12
    assert cost.usd == pytest.approx((cost.tokens_in + 2 * cost.tokens_out) / 1e6)
    spent = sum(row.micro_usd for row in Ledger(sqlite, Caps()).month()) / 1e6
    assert spent == pytest.approx(5 * (600 + 2 * 25) / 1e6)
    assert spent < cost.usd_at_most
