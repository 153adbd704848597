"""Derivatives, written out: the example that a task becomes; and the two kinds that need no language model.

`derivative_of(task, receipt, changes)` is the parent with some fields changed, `changes_without_help(task)` what a swap
or a dropped reference changes.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from assay.datasets.augmentation.parents import Task
from assay.schema.example import Example
from assay.schema.receipt import PROVENANCE


def derivative_of(task: Task, receipt: str, changes: Mapping[str, Any]) -> Example:
    """The example of a task: synthetic, in its first parent's group, and with its provenance as meta.

    Nothing else of the parent's meta is taken over: what was true of that text need not be true of this one.
    """
    parent = task.parent
    provenance = {"receipt": receipt, "kind": task.kind.name, "parents": [one.id for one in task.parents]}
    return replace(
        parent,
        **changes,
        id=task.id,
        source="synthetic",
        group=parent.group or parent.id,
        weight=1.0,
        meta={PROVENANCE: provenance},
    )


def changes_without_help(task: Task) -> dict[str, Any]:
    """What a swap (of a pair's two answers, or of the answers of two rows) or a dropped reference changes.

    Raises ValueError for a kind that a language model writes.
    """
    if task.kind.name == "reference-drop":
        return {"reference": None}
    if task.kind.name == "swap" and task.field == "output_a":
        return {"output_a": task.parent.output_b, "output_b": task.parent.output_a}
    if task.kind.name == "swap":
        return {"output": task.parents[1].output}
    raise ValueError(f"The kind {task.kind.name} needs a language model.")
