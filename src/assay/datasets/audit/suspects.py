"""Suspects: the rows whose labels are to be looked at again, as lines for a relabelling queue.

One JSON object a row, the most suspicious first: what the labelling queue takes, and what a person can read.
"""

import json
from collections.abc import Iterator

import numpy as np

from assay.datasets.audit.audit import Audit
from assay.datasets.audit.table import AuditTable

DEFAULT_SHARE = 0.1


def suspects(table: AuditTable, found: Audit, share: float = DEFAULT_SHARE) -> list[dict[str, object]]:
    """Texts with contradicting labels, then the given share of all rows by suspicion. Empty where nothing was measured.

    Each: `id`, `score` (−1 to 1), `hint` (why, for people), `label` (the given one) and `likely` (what the model holds
    for likelier, None where texts contradict).
    """
    contradicting = [id_ for ids in found.parts.copies.contradicting for id_ in ids]
    place = {id_: row for row, id_ in enumerate(table.ids)}
    labels = table.criterion.labels
    rows: list[dict[str, object]] = [
        {
            "id": id_,
            "label": labels[int(table.codes[place[id_]])],
            "likely": None,
            "score": 1.0,
            "hint": "the same text stands there with another label",
        }
        for id_ in contradicting
    ]
    noise = found.parts.noise
    if noise is None:
        return rows
    seen = set(contradicting)
    worst = np.argsort(-noise.suspicion, kind="stable")[: round(share * len(table))]
    return rows + [
        {
            "id": table.ids[row],
            "label": labels[int(table.codes[row])],
            "likely": labels[int(noise.likely[row])],
            "score": round(float(noise.suspicion[row]), 4),
            "hint": "a model that never saw this label finds another one likelier",
        }
        for row in worst
        if table.ids[row] not in seen
    ]


def suspect_lines(rows: list[dict[str, object]]) -> Iterator[str]:
    """As JSON Lines."""
    for row in rows:
        yield json.dumps(row, ensure_ascii=False) + "\n"
