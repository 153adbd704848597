"""VersionSummary: one line of `assay list`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.api.judge_files import REPORT_FILE
from assay.registry import Registry
from assay.schema.judge_version import JudgeVersion


@dataclass(frozen=True, kw_only=True)
class VersionSummary:
    """A judge version at a glance.

    `measure` is F1, or macro-F1 on scales of several labels, with `value`, `low` and `high` on the test split; None
    until it was evaluated. `may_be_promoted` is what the gates said last, None when nobody asked.
    """

    id: str
    name: str
    criterion: str
    dataset: str
    backbone: str
    method: str
    aliases: tuple[str, ...]
    measure: str | None
    value: float | None
    low: float | None
    high: float | None
    may_be_promoted: bool | None
    created_at: str


def summary_of(version: JudgeVersion, registry: Registry, judges: Path) -> VersionSummary:
    """What is known of a version; a folder that is not on this machine leaves the measure out."""
    decision = registry.gates(version.id)
    pointing = registry.aliases(version.name)
    measure, estimate = _headline(judges / version.id / REPORT_FILE)
    return VersionSummary(
        id=version.id,
        name=version.name,
        criterion=version.criterion.key,
        dataset=version.dataset,
        backbone=version.backbone.name,
        method=version.method,
        aliases=tuple(alias for alias, judge in pointing.items() if judge == version.id),
        measure=measure,
        value=estimate.get("value"),
        low=estimate.get("low"),
        high=estimate.get("high"),
        may_be_promoted=None if decision is None else decision.passed,
        created_at=version.created_at,
    )


def _headline(report: Path) -> tuple[str | None, Mapping[str, float]]:
    # Read as plain JSON: the typed record brings scikit-learn with it, a second for one number.
    try:
        values: Any = json.loads(report.read_bytes())
        measure = str(values["main_measure"])
        return measure, dict(values["measures"][measure] or {})
    except (OSError, ValueError, KeyError, TypeError):
        return None, {}
