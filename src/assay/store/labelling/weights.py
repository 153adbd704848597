"""The weights that the drawing of queues gives to labelled examples."""

from collections.abc import Mapping

from sqlalchemy import Connection, exists, select

from assay.schema.criterion import Criterion
from assay.store.criteria import criteria
from assay.store.labelling.queues import QueueRecord, label_queue_items, label_queues
from assay.store.labelling.work import label_assignments
from assay.store.tables import from_text


def weights(connection: Connection, criterion: Criterion) -> Mapping[str, float]:
    """Example id → size / (pool size · inclusion): the inverse of its probability of being drawn, relative to its
    queue, so that the weights of one queue have a mean of one in expectation.

    Of the examples that came to be labelled through a queue of the criterion; one that was listed by hand, or
    relabelled, has 1. An example of several queues has the weight of the first that labelled it, queues of this very
    version before those of others.
    """
    mine, work = label_queue_items.c, label_assignments.c
    labelled = exists().where(work.queue == mine.queue, work.position == mine.position, work.state == "labelled")
    statement = (
        select(mine.example_id, mine.inclusion, label_queues.c.name, label_queues.c.record)
        .join(label_queues, label_queues.c.name == mine.queue)
        .join(criteria, criteria.c.key == label_queues.c.criterion_key)
        .where(criteria.c.name == criterion.name, labelled)
        .order_by((criteria.c.key == criterion.key).desc(), label_queues.c.sequence)
    )
    found: dict[str, float] = {}
    records: dict[str, QueueRecord] = {}
    for example_id, inclusion, name, text in connection.execute(statement):
        if name not in records:
            records[name] = from_text(QueueRecord, text, where=f"queue {name}")
        found.setdefault(example_id, _weight(records[name], inclusion))
    return found


def _weight(record: QueueRecord, inclusion: float | None) -> float:
    if inclusion is None or record.pool == "labelled":
        return 1.0
    return record.size / (record.pool_size * inclusion)
