"""Exporting a queue: one row for each example that has answers, with all of them; importable again.

A row holds the example's fields, `labels` (value, labeller, source, date, explanation), `weight`, and under
`meta.labelling` what only the page knows: highlights, seconds, the inclusion probability.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from assay.schema.label import ADJUDICATION
from assay.schema.records import to_jsonable
from assay.store.database import Connection, Database
from assay.store.labelling import answers, people, queues, work
from assay.store.labelling.answers import Logged
from assay.store.labelling.queues import Queue, QueueItem


def iter_export(database: Database, name: str) -> Iterator[dict[str, Any]]:
    """The rows, in the order of the queue. Raises NotFoundError."""
    with database.read() as connection:
        queue = queues.get(connection, name)
        sources = {one.name: one.source for one in people.every(connection)}
        given: dict[int, list[int]] = defaultdict(list)
        for position, part in work.iter_labelled(connection, name):
            if part.event is not None:
                given[position].append(part.event)
        for item in queues.iter_items(connection, name):
            if item.position in given:
                logged = [answers.get(connection, event) for event in given[item.position]]
                yield _row(connection, queue, item, logged, sources)


def _row(
    connection: Connection, queue: Queue, item: QueueItem, logged: list[Logged], sources: dict[str, Any]
) -> dict[str, Any]:
    example = next(queues.iter_examples(connection, [item.example_id]))
    record = queue.record
    sampled = item.inclusion is not None and record.pool == "unlabelled"
    return {
        "id": example.id,
        **example.content(),
        **({} if example.group is None else {"group": example.group}),
        "labels": [
            {
                "value": one.answer.value,
                "labeller": one.labeller,
                "source": sources.get(one.labeller.removeprefix(ADJUDICATION), "expert"),
                "date": one.at,
                **({"explanation": one.answer.note} if one.answer.note else {}),
            }
            for one in logged
        ],
        "source": example.source,
        "weight": example.weight * (record.size / (record.pool_size * (item.inclusion or 1.0)) if sampled else 1.0),
        "meta": {**example.meta, "labelling": _page_knows(queue, item, logged)},
    }


def _page_knows(queue: Queue, item: QueueItem, logged: list[Logged]) -> dict[str, Any]:
    record = queue.record
    return {
        "queue": record.name,
        "criterion": record.criterion,
        "by": record.by,
        "stratum": item.stratum,
        "state": item.state,
        "inclusion": item.inclusion,
        "answers": [
            {
                "labeller": one.labeller,
                "took_s": one.answer.took_s,
                "highlights": [to_jsonable(mark) for mark in one.answer.highlights],
            }
            for one in logged
        ],
    }
