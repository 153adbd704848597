"""Findings in words: what was measured → what is so, what it does to a judge, and the command that mends it."""

from assay.datasets.audit.finding import Finding
from assay.datasets.audit.form_findings import phrases, shortcuts, sides, together
from assay.datasets.audit.gap_findings import balance, missing, personal
from assay.datasets.audit.label_findings import agreement, copies, noise
from assay.datasets.audit.parts import Parts
from assay.datasets.audit.table import AuditTable


def findings_of(table: AuditTable, parts: Parts, name: str) -> list[Finding]:
    """Every finding, in no order. `name` is what commands call the criterion."""
    return [
        *shortcuts(parts.alone, name),
        *phrases(parts.words.words, name),
        *together(parts, name),
        *sides(table, name),
        *copies(table, parts, name),
        *noise(table, parts.noise, name),
        *agreement(parts.agreement, name),
        *balance(table, parts, name),
        *missing(table, parts, name),
        *personal(table, parts, name),
    ]
