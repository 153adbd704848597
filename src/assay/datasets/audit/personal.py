"""Personal data in the rows, as the redaction would find it.

Secrets are left to the import: their many patterns are slow on long texts.
"""

import random
from collections import defaultdict

from assay.datasets.audit.table import AuditTable
from assay.ingest.redaction import Kind, RedactionRules, Redactor

KINDS: tuple[Kind, ...] = ("email", "iban", "card", "phone")
MAX_ROWS = 5_000  # looked at; of more rows a random part


def personal_data(table: AuditTable, seed: int = 0) -> dict[str, tuple[str, ...]]:
    """Kind (email, phone, …) → ids of the rows that seem to hold it."""
    redactor = Redactor(RedactionRules(kinds=KINDS))
    rows = range(len(table))
    chosen = rows if len(table) <= MAX_ROWS else sorted(random.Random(seed).sample(rows, MAX_ROWS))  # noqa: S311
    found: defaultdict[str, list[str]] = defaultdict(list)
    for row in chosen:
        for kind in redactor.redact(table.texts[row]).counts:
            found[kind].append(table.ids[row])
    return {kind: tuple(ids) for kind, ids in found.items()}
