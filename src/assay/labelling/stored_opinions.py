"""What people have said of an example already: in a file, in another queue, under a version whose labels carry over.

`stored_opinions(connection, example_id, criterion)` is what an adjudicator of imported labels sees. A labeller's answer
under the version in force comes before one carried over. Adjudications are left out: they are decisions.
"""

from dataclasses import replace

from assay.schema.criterion import Criterion
from assay.schema.label import ADJUDICATION, Label
from assay.store import examples
from assay.store.database import Connection


def stored_opinions(connection: Connection, example_id: str, criterion: Criterion) -> tuple[Label, ...]:
    """The labels of an example in the words of the scale in force, by labeller."""
    found: dict[str, Label] = {}
    for version, becomes in criterion.carries_over.items():
        older = examples.labels_of(connection, example_id, f"{criterion.name}/{version}")
        found |= {one.labeller: replace(one, value=becomes[one.value]) for one in older if one.value in becomes}
    found |= {one.labeller: one for one in examples.labels_of(connection, example_id, criterion.key)}
    return tuple(found[name] for name in sorted(found) if not name.startswith(ADJUDICATION))


def differ(opinions: tuple[Label, ...]) -> bool:
    """Whether there is anything to settle."""
    return len({one.value for one in opinions}) > 1
