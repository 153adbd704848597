"""A database with examples to label, and people to label them."""

from collections.abc import Callable

import pytest

from assay.labelling.labellers import add_labeller
from assay.labelling.queues import QueuePlan, make_queue, pool_of
from assay.schema.criterion import Criterion
from assay.schema.example import Example
from assay.schema.ids import new_id
from assay.store import criteria, examples
from assay.store.database import Database
from assay.store.labelling.answers import Answer
from assay.store.labelling.people import Labeller
from assay.store.labelling.queues import Queue


@pytest.fixture
def advice(make_criterion: Callable[..., Criterion]) -> Criterion:
    return make_criterion()


@pytest.fixture
def filled(database: Database, advice: Criterion) -> Database:
    """Twelve examples without labels."""
    rows = [
        Example(id=f"e{number:03}", output=f"answer {number}", meta={"lang": "de" if number < 3 else "en"})
        for number in range(12)
    ]
    with database.begin() as connection:
        criteria.record(connection, advice)
        examples.add(connection, rows, [], None)
    return database


@pytest.fixture
def person(filled: Database) -> Callable[..., Labeller]:
    def make(name: str, **options: object) -> Labeller:
        return add_labeller(filled, name, **options)[0]

    return make


@pytest.fixture
def queued(filled: Database, advice: Criterion) -> Callable[..., Queue]:
    """Queues over the twelve examples."""

    def make(budget: int = 6, **options: object) -> Queue:
        plan = QueuePlan(budget=budget, **options)
        return make_queue(filled, advice, plan, pool_of(filled, advice, plan))

    return make


@pytest.fixture
def said() -> Callable[..., Answer]:
    def make(queue: Queue, position: int, value: str | None = "yes", kind: str = "label", **more: object) -> Answer:
        value = None if kind in ("skip", "undo") else value
        return Answer(
            **{
                "key": new_id("key").replace("_", "-"),
                "queue": queue.record.name,
                "position": position,
                "kind": kind,
                "value": value,
                **more,
            }
        )

    return make
