"""Freezing: the labelled examples of a criterion → a dataset version that never changes.

`freeze(database, blobs, criterion, settings)`: labels → targets → exact duplicates merged → near-duplicates tied →
split → checked → stored. The same rows and settings give the same digest, whatever order they were imported in. Knows
no SQL and no model.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from assay.datasets.agreement import measured_agreement
from assay.datasets.augmentation.receipts import receipts_behind
from assay.datasets.candidates import Candidate, candidate_of, judged_key, merge_duplicates
from assay.datasets.carry_over import labelled_with_carried
from assay.datasets.consensus import tied_target_of
from assay.datasets.contrast import in_contrast, stored_texts_apart
from assay.datasets.frozen_rows import rows_to_bytes
from assay.datasets.minimums import FreezeSettings, check_minimums
from assay.datasets.near_duplicates import PREFIX_CHARS, SHINGLE_CHARS, near_duplicate_pairs
from assay.datasets.splits import Placed, assign_splits, components
from assay.datasets.synthetic_rows import parted, placed_in_train
from assay.datasets.weighted_consensus import tied_weighted_targets
from assay.schema.criterion import Criterion
from assay.schema.dataset import FROZEN_SPLITS, DatasetVersion, FrozenRow
from assay.schema.errors import NotFoundError, RefusedError, shown
from assay.schema.ids import digest_json, short, utc_now
from assay.schema.label import LABEL_SOURCES, Target
from assay.schema.later_fields import without_unused
from assay.schema.records import to_jsonable
from assay.store import augmentations, datasets
from assay.store.blobs import Blobs
from assay.store.database import Database
from assay.store.labelling.weights import weights


def freeze(database: Database, blobs: Blobs, criterion: Criterion, settings: FreezeSettings) -> DatasetVersion:
    """Freeze all labelled examples of a criterion.

    Raises NotFoundError where there are none; RefusedError, with the numbers and nothing stored, where a minimum is not
    met (`check_minimums`). Freezing the same rows again gives the version that is there.
    """
    with database.read() as connection:
        kept = augmentations.kept(connection)
    candidates, in_sets, names = _apart(database, blobs, criterion, settings)
    parts = parted(candidates, kept, criterion, settings)
    agreement = measured_agreement([(one.example, one.labels) for one in parts.divided], criterion)
    rows, dropped = frozen_rows(parts.divided, criterion, settings)
    advice = _without_sets(names, criterion)
    if not rows:
        raise RefusedError(
            f"No example is left to freeze, going by the texts of {', '.join(criterion.reads)}.",
            required="texts with one label each",
            got=", ".join(f"{count} dropped ({reason})" for reason, count in {**dropped, **in_sets}.items() if count),
            next_step="; ".join([*advice, "let the criterion read the fields that decide, or correct the labels"]),
        )
    rows, left_out = placed_in_train(parts, rows, criterion, settings)
    _check_minimums(rows, criterion, settings, in_sets, advice)
    version = _version(rows, blobs.put_bytes(rows_to_bytes(rows)), criterion, settings)
    version = replace(version, agreement=agreement, dropped={**dropped, **left_out, **in_sets})
    with database.begin() as connection:
        receipts = receipts_behind(connection, (row.example for row in rows))
        datasets.add(connection, replace(version, receipts=receipts))
        return datasets.get(connection, version.id)


def frozen_rows(
    candidates: Sequence[Candidate], criterion: Criterion, settings: FreezeSettings
) -> tuple[list[FrozenRow], dict[str, int]]:
    """The rows with targets and splits, sorted by id; and how many were left out, by reason.

    A row without text in the fields that the criterion reads is left out: no judge could be shown it. One with tied
    labels is left out, or, where the settings say so, kept in `train` unless it belongs with a row held out.
    """
    readable = [one for one in candidates if one.example.text(criterion.reads).strip()]
    merged = merge_duplicates(readable, criterion.reads)
    targets = _targets(merged.kept, criterion, settings)
    labelled = [(one, target) for one, target in zip(merged.kept, targets, strict=True) if target is not None]
    wanted = [(one, target) for one, target in labelled if target.decided or settings.ties == "train"]
    rows = _divided(wanted, criterion, settings)
    dropped = {
        "no text to judge": len(candidates) - len(readable),
        "tied labels": len(merged.kept) - len(wanted),
        "exact duplicate, merged": merged.merged,
        "exact duplicate, conflicting labels": merged.conflicting,
    }
    if settings.ties == "train":
        dropped["tied labels, belongs with a row held out"] = len(wanted) - len(rows)
    return rows, dropped


def _divided(
    wanted: Sequence[tuple[Candidate, Target]], criterion: Criterion, settings: FreezeSettings
) -> list[FrozenRow]:
    """The rows in their splits. Decided rows share out the splits; a tied one goes where its component is, if that is
    `train`, else nowhere.
    """
    ids = [one.example.id for one, _ in wanted]
    texts = [judged_key(one.example, criterion.reads) for one, _ in wanted]
    pairs = near_duplicate_pairs(texts, settings.near_duplicate_threshold)
    names = components(ids, [one.groups for one, _ in wanted], pairs)
    placed = [
        Placed(id=id_, component=name, stratum=_stratum(target))
        for id_, name, (_, target) in zip(ids, names, wanted, strict=True)
        if target.decided
    ]
    splits = assign_splits(placed, settings.shares, settings.seed)
    rows = [
        FrozenRow(
            example=one.example, labels=one.labels, target=target, split=splits.get(name, "train"), component=name
        )
        for (one, target), name in zip(wanted, names, strict=True)
    ]
    return [row for row in rows if row.target.decided or row.split == "train"]


def _targets(kept: Sequence[Candidate], criterion: Criterion, settings: FreezeSettings) -> list[Target | None]:
    if settings.consensus == "weighted":
        return tied_weighted_targets([one.labels for one in kept], criterion)
    return [tied_target_of(one.labels) for one in kept]


def _apart(
    database: Database, blobs: Blobs, criterion: Criterion, settings: FreezeSettings
) -> tuple[list[Candidate], dict[str, int], list[str]]:
    """The candidates that stand in no contrast set of the criterion; how many do, where there are such sets; and the
    names of those they stand in.
    """
    candidates = _candidates(database, criterion)
    with database.read() as connection:
        sets = stored_texts_apart(connection, blobs, criterion)
    if not sets:
        return candidates, {}, []
    examples = [candidate.example for candidate in candidates]
    found = {
        name: in_contrast(examples, criterion, apart, settings.near_duplicate_threshold) for name, apart in sets.items()
    }
    stands = np.any(list(found.values()), axis=0)
    kept = [candidate for candidate, held in zip(candidates, stands, strict=True) if not held]
    return kept, {"in a contrast set": int(stands.sum())}, [name for name, held in found.items() if held.any()]


def _without_sets(names: Sequence[str], criterion: Criterion) -> list[str]:
    """What to do about rows that stand in these contrast sets; nothing where there are none."""
    if not names:
        return []
    listed = shown(list(names), 200)
    return [f"import rows that stand in no contrast set (now in {listed}): assay data contrast {criterion.name}"]


def _check_minimums(
    rows: Sequence[FrozenRow],
    criterion: Criterion,
    settings: FreezeSettings,
    in_sets: Mapping[str, int],
    advice: Sequence[str],
) -> None:
    """As `check_minimums`; the refusal also says what contrast sets took."""
    try:
        check_minimums(rows, criterion, settings)
    except RefusedError as error:
        if not advice:
            raise
        taken = ", ".join(f"{count} dropped ({reason})" for reason, count in in_sets.items())
        raise RefusedError(
            error.problem,
            required=error.required,
            got=f"{error.got}; {taken}",
            next_step="; ".join([error.next_step, *advice]),
        ) from error


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
    waiver = settings.waiver
    recipe = {
        "rows": rows_blob,
        "criterion": criterion.digest,
        "settings": described,
        "seed": settings.seed,
        "waiver": None if waiver is None else without_unused(waiver, to_jsonable(waiver)),
    }
    digest = digest_json(recipe)
    decided = [row for row in rows if row.target.decided]
    by_label = {split: Counter(row.target.value for row in decided if row.split == split) for split in FROZEN_SPLITS}
    by_source = {split: Counter(row.target.source for row in decided if row.split == split) for split in FROZEN_SPLITS}
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
        waiver=waiver,
        created_at=utc_now(),
        tied=len(rows) - len(decided),
        synthetic=_synthetic(rows),
    )


def _synthetic(rows: Sequence[FrozenRow]) -> dict[str, int]:
    found = Counter(row.split for row in rows if row.example.source == "synthetic")
    return {split: found[split] for split in FROZEN_SPLITS if found[split]}


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
        **({} if settings.ties == "out" else {"ties": settings.ties}),
    }
