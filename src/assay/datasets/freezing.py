"""Freezing: the labelled examples of a criterion → a dataset version that never changes.

`freeze(database, blobs, criterion, settings)`: labels → targets → exact duplicates merged → near-duplicates tied →
split → checked → stored. The same rows and settings give the same digest, whatever order they were imported in. Knows
no SQL and no model.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from assay.datasets.agreement import measured_agreement
from assay.datasets.candidates import Candidate, candidate_of, judged_key, merge_duplicates
from assay.datasets.carry_over import labelled_with_carried
from assay.datasets.consensus import target_of
from assay.datasets.frozen_rows import rows_to_bytes
from assay.datasets.minimums import FreezeSettings, check_minimums
from assay.datasets.near_duplicates import PREFIX_CHARS, SHINGLE_CHARS, near_duplicate_pairs
from assay.datasets.splits import Placed, assign_splits, components
from assay.datasets.weighted_consensus import weighted_targets
from assay.schema.criterion import Criterion
from assay.schema.dataset import FROZEN_SPLITS, DatasetVersion, FrozenRow
from assay.schema.errors import NotFoundError, RefusedError
from assay.schema.ids import digest_json, short, utc_now
from assay.schema.label import LABEL_SOURCES, Target
from assay.schema.records import to_jsonable
from assay.store import datasets
from assay.store.blobs import Blobs
from assay.store.database import Database
from assay.store.labelling.weights import weights


def freeze(database: Database, blobs: Blobs, criterion: Criterion, settings: FreezeSettings) -> DatasetVersion:
    """Freeze all labelled examples of a criterion.

    Raises NotFoundError where there are none; RefusedError, with the numbers and nothing stored, where a minimum is not
    met (`check_minimums`). Freezing the same rows again gives the version that is there.
    """
    candidates = _candidates(database, criterion)
    agreement = measured_agreement([candidate.labels for candidate in candidates], criterion)
    rows, dropped = frozen_rows(candidates, criterion, settings)
    if not rows:
        raise RefusedError(
            f"No example is left to freeze, going by the texts of {', '.join(criterion.reads)}.",
            required="texts with one label each",
            got=", ".join(f"{count} dropped ({reason})" for reason, count in dropped.items() if count),
            next_step="let the criterion read the fields that decide, or correct the labels",
        )
    check_minimums(rows, criterion, settings)
    version = _version(rows, blobs.put_bytes(rows_to_bytes(rows)), criterion, settings)
    version = replace(version, agreement=agreement, dropped=dropped)
    with database.begin() as connection:
        datasets.add(connection, version)
        return datasets.get(connection, version.id)


def frozen_rows(
    candidates: Sequence[Candidate], criterion: Criterion, settings: FreezeSettings
) -> tuple[list[FrozenRow], dict[str, int]]:
    """The rows with targets and splits, sorted by id; and how many were left out, by reason.

    A row without text in the fields that the criterion reads is left out: no judge could be shown it.
    """
    readable = [one for one in candidates if one.example.text(criterion.reads).strip()]
    merged = merge_duplicates(readable, criterion.reads)
    targets = _targets(merged.kept, criterion, settings)
    decided = [(one, target) for one, target in zip(merged.kept, targets, strict=True) if target is not None]
    kept = [candidate for candidate, _ in decided]
    ids = [candidate.example.id for candidate in kept]
    texts = [judged_key(candidate.example, criterion.reads) for candidate in kept]
    pairs = near_duplicate_pairs(texts, settings.near_duplicate_threshold)
    names = components(ids, [candidate.groups for candidate in kept], pairs)
    placed = [
        Placed(id=id_, component=name, stratum=_stratum(target))
        for id_, name, (_, target) in zip(ids, names, decided, strict=True)
    ]
    splits = assign_splits(placed, settings.shares, settings.seed)
    rows = [
        FrozenRow(example=one.example, labels=one.labels, target=target, split=splits[name], component=name)
        for (one, target), name in zip(decided, names, strict=True)
    ]
    dropped = {
        "no text to judge": len(candidates) - len(readable),
        "tied labels": len(merged.kept) - len(decided),
        "exact duplicate, merged": merged.merged,
        "exact duplicate, conflicting labels": merged.conflicting,
    }
    return rows, dropped


def _targets(kept: Sequence[Candidate], criterion: Criterion, settings: FreezeSettings) -> list[Target | None]:
    if settings.consensus == "weighted":
        return weighted_targets([one.labels for one in kept], criterion)
    return [target_of(one.labels) for one in kept]


def _candidates(database: Database, criterion: Criterion) -> list[Candidate]:
    with database.read() as connection:
        drawn = weights(connection, criterion)
        found = [
            candidate_of(replace(example, weight=example.weight * drawn.get(example.id, 1.0)), labels)
            for example, labels in labelled_with_carried(connection, criterion)
        ]
    if not found:
        raise NotFoundError(
            f"No example has a label for criterion {criterion.key!r}.",
            required="imported examples with labels",
            next_step=f"assay data import FILE --criterion {criterion.name}",
        )
    return found


def _stratum(target: Target) -> str:
    # by source too: so each split gets its part of the rows that experts decided, and a waiver does not move rows
    return f"{target.value}\x1f{target.source}"


def _version(
    rows: Sequence[FrozenRow], rows_blob: str, criterion: Criterion, settings: FreezeSettings
) -> DatasetVersion:
    described = _described(settings)
    recipe = {
        "rows": rows_blob,
        "criterion": criterion.digest,
        "settings": described,
        "seed": settings.seed,
        "waiver": None if settings.waiver is None else to_jsonable(settings.waiver),
    }
    digest = digest_json(recipe)
    by_label = {split: Counter(row.target.value for row in rows if row.split == split) for split in FROZEN_SPLITS}
    by_source = {split: Counter(row.target.source for row in rows if row.split == split) for split in FROZEN_SPLITS}
    return DatasetVersion(
        id=f"{criterion.name}-data-{short(digest)}",
        digest=digest,
        criterion=criterion,
        rows_blob=rows_blob,
        seed=settings.seed,
        counts={split: {label: found[label] for label in criterion.labels} for split, found in by_label.items()},
        deciding_sources={
            split: {source: found[source] for source in LABEL_SOURCES if found[source]}
            for split, found in by_source.items()
        },
        agreement={},
        settings=described,
        dropped={},
        waiver=settings.waiver,
        created_at=utc_now(),
    )


def _described(settings: FreezeSettings) -> dict[str, Any]:
    """The settings that shaped the rows, as plain values."""
    return {
        "shares": {split: float(settings.shares[split]) for split in FROZEN_SPLITS},
        "near_duplicates": {
            "jaccard": settings.near_duplicate_threshold,
            "shingle_chars": SHINGLE_CHARS,
            "prefix_chars": PREFIX_CHARS,
        },
        **({} if settings.consensus == "majority" else {"consensus": settings.consensus}),
    }
