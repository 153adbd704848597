"""Labels that a new criterion version takes over from older ones, as its `carries_over` says.

`labelled_with_carried(connection, criterion)` is what the freeze, the audit and the agreement report read. A
labeller's answer under the version in force comes before one carried over, and of several carried ones that of the
version named last. A carried label keeps the key it was given under.
"""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import TypeAlias

from assay.schema.criterion import Criterion
from assay.schema.example import Example
from assay.schema.label import Label
from assay.store import examples
from assay.store.database import Connection

_Row: TypeAlias = tuple[Example, Sequence[Label]]


def labelled_with_carried(connection: Connection, criterion: Criterion) -> Iterator[_Row]:
    """Each example with its labels, in the byte order of ids, carried ones in the words of the new scale.

    An example whose labels all stay behind is left out. Streams while the connection's transaction is open.
    """
    streams = [
        _carried(examples.iter_labelled(connection, f"{criterion.name}/{version}"), labels)
        for version, labels in criterion.carries_over.items()
    ]
    streams.append(iter(examples.iter_labelled(connection, criterion.key)))
    merged = heapq.merge(*streams, key=_id)  # of equal ids the earlier stream first: the version in force comes last
    for _, same in groupby(merged, key=_id):
        rows = list(same)
        by_labeller = {label.labeller: label for _, labels in rows for label in labels}
        if by_labeller:
            yield rows[0][0], tuple(by_labeller[name] for name in sorted(by_labeller))


def carried_label(label: Label, mapping: Mapping[str, str]) -> Label | None:
    """The label in the words of the new version; None where it must be given anew."""
    return replace(label, value=mapping[label.value]) if label.value in mapping else None


def _carried(rows: Iterator[_Row], mapping: Mapping[str, str]) -> Iterator[_Row]:
    for example, labels in rows:
        kept = [carried_label(label, mapping) for label in labels]
        yield example, [label for label in kept if label is not None]


def _id(row: _Row) -> str:
    return row[0].id
