"""What lies beside a judge once it was evaluated: `report.json`, `gates.json`, `card.html`.

`keep(...)` stores a fresh report; `decided(...)` decides and draws again from the stored one, when the rules in
assay.toml have changed. A report that was not measured in this workspace, or was edited since, decides nothing.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.api.judge_files import CARD_FILE, GATES_FILE, REPORT_FILE, write_whole
from assay.config import Settings
from assay.registry import Registry, Resolved
from assay.schema.errors import IntegrityError, NotFoundError
from assay.schema.gate import GateDecision
from assay.schema.ids import digest_bytes
from assay.schema.judge_version import JudgeVersion
from assay.schema.records import to_jsonable
from assay.store import gates
from assay.store.database import Database
from assay.validation.card import render_card
from assay.validation.gates import GateRules, decide
from assay.validation.report import Report


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """A judge's report, what the gates say of it, and the page that shows both."""

    version: JudgeVersion
    report: Report
    decision: GateDecision
    report_file: Path
    card: Path


def keep(resolved: Resolved, report: Report, rules: GateRules, registry: Registry, settings: Settings) -> Evaluation:
    """Write a fresh report, decide, record the decision, and write the card. Killed in between, evaluate again."""
    data = report.to_json().encode("utf-8", "replace")
    write_whole(resolved.folder / REPORT_FILE, data, settings.arriving)
    return _decided(resolved, data, rules, registry, settings)


def decided(
    resolved: Resolved, rules: GateRules, registry: Registry, settings: Settings, database: Database
) -> Evaluation:
    """Decide again from the stored report, record it, and write the card.

    Raises NotFoundError (not evaluated), IntegrityError (a report of another version, or one not measured here).
    """
    data = _stored(resolved)
    _parsed(resolved, data)
    with database.read() as connection:
        if gates.newest_of(connection, resolved.version.id, digest_bytes(data)) is None:
            raise _strange(resolved, "it was changed, or came from elsewhere with the folder")
    return _decided(resolved, data, rules, registry, settings)


def _decided(resolved: Resolved, data: bytes, rules: GateRules, registry: Registry, settings: Settings) -> Evaluation:
    report = _parsed(resolved, data)
    decision = decide(report, rules)
    registry.record_gates(decision, digest_bytes(data))
    page = resolved.folder / CARD_FILE
    gates_text = json.dumps(to_jsonable(decision), indent=1, ensure_ascii=False) + "\n"
    write_whole(resolved.folder / GATES_FILE, gates_text.encode("utf-8", "replace"), settings.arriving)
    write_whole(page, render_card(report, decision).encode("utf-8", "replace"), settings.arriving)
    return Evaluation(
        version=resolved.version,
        report=report,
        decision=decision,
        report_file=resolved.folder / REPORT_FILE,
        card=page,
    )


def _stored(resolved: Resolved) -> bytes:
    try:
        return (resolved.folder / REPORT_FILE).read_bytes()
    except FileNotFoundError:
        raise NotFoundError(
            f"{resolved.version.id} has not been evaluated.",
            required=f"a {REPORT_FILE} in its folder",
            next_step=f"assay evaluate {resolved.version.id}",
        ) from None


def _parsed(resolved: Resolved, data: bytes) -> Report:
    version = resolved.version
    try:
        values: Any = json.loads(data)
    except ValueError:
        raise _strange(resolved, "it is not JSON") from None
    report = Report.from_dict(values if isinstance(values, dict) else {}, where=f"{version.id}/{REPORT_FILE}")
    if report.judge.id != version.id or report.criterion.digest != version.criterion.digest:
        raise _strange(resolved, f"it is about {report.judge.id}")
    if (report.dataset.id, report.dataset.digest) != (version.dataset, version.dataset_digest):
        raise _strange(resolved, f"it was measured on {report.dataset.id}, the judge belongs to {version.dataset}")
    return report


def _strange(resolved: Resolved, got: str) -> IntegrityError:
    return IntegrityError(
        f"The {REPORT_FILE} of {resolved.version.id} cannot decide about it.",
        required="the report that was measured of this version in this workspace",
        got=got,
        next_step=f"assay evaluate {resolved.version.id}",
    )
