"""Findings about labels and copies, in words: leakage, contradictions, doubtful labels, disagreement."""

import numpy as np

from assay.datasets.audit.finding import Finding
from assay.datasets.audit.noise import LabelNoise
from assay.datasets.audit.parts import Parts
from assay.datasets.audit.table import AuditTable
from assay.metrics.intervals import Estimate

SHOWN_IDS = 20
NOISE_RATE = 0.03
LOW_AGREEMENT = 0.6
MANY_COPIES = 0.05
_RELABEL = "assay label queue make {name} --ids suspects.jsonl --pool labelled"


def copies(table: AuditTable, parts: Parts, name: str) -> list[Finding]:
    """Leakage, contradictions, repetition."""
    found: list[Finding] = []
    seen = parts.copies
    if seen.leaked is not None and seen.leaked.value > 0:
        found.append(
            Finding(
                kind="leakage",
                title=f"{seen.leaked.value:.1%} of the rows held out for testing stand in train too, word for word "
                "or nearly",
                harm=min(1.0, seen.leaked.value * 2),
                why="The judge has seen their answers: its test figures are too good by up to that share.",
                advice="Freeze the rows anew: a freeze keeps copies and groups in one split.",
                command=f"assay data freeze {name}",
                estimate=seen.leaked,
                rows=len(seen.leaked_ids),
                examples=seen.leaked_ids[:SHOWN_IDS],
            )
        )
    if seen.straddling_groups:
        found.append(
            Finding(
                kind="leakage",
                title=f"{seen.straddling_groups:,} groups (traces, documents) have rows in several splits",
                harm=0.3,
                why="Rows of one group resemble one another; the test set is then easier than production.",
                advice="Freeze the rows anew with their group.",
                command=f"assay data freeze {name}",
                rows=seen.straddling_groups,
            )
        )
    if seen.contradicting:
        rows = sum(map(len, seen.contradicting))
        found.append(
            Finding(
                kind="contradiction",
                title=f"{len(seen.contradicting):,} texts stand there more than once with different labels",
                harm=min(1.0, 2 * rows / len(table)),
                why=f"One of each must be wrong: {rows:,} rows teach nothing, and a freeze drops them.",
                advice="Let an expert decide them, or let the criterion read the field that makes the difference.",
                command=f"assay data audit {name} --suspects suspects.jsonl && {_RELABEL.format(name=name)}",
                rows=rows,
                examples=tuple(id_ for ids in seen.contradicting for id_ in ids)[:SHOWN_IDS],
            )
        )
    repeated = (seen.exact_rows + seen.near_rows) / len(table)
    if repeated >= MANY_COPIES:
        found.append(
            Finding(
                kind="near-duplicates",
                title=f"{repeated:.0%} of the rows repeat another one, word for word or nearly",
                harm=min(0.5, repeated / 2),
                why=f"{len(table):,} rows are worth only about {round(len(table) * (1 - repeated)):,}; intervals "
                "that take "
                "them as independent are too narrow.",
                advice="Nothing has to be done for training: a freeze merges exact copies and keeps the others in "
                "one split.",
                command=f"assay data freeze {name}",
                rows=seen.exact_rows + seen.near_rows,
            )
        )
    return found


def noise(table: AuditTable, measured: LabelNoise | None, name: str) -> list[Finding]:
    """Whether labels look wrong."""
    if measured is None or measured.rate is None or measured.rate.low < NOISE_RATE:
        return []
    worst = np.argsort(-measured.suspicion, kind="stable")[:SHOWN_IDS]
    by_label = ", ".join(f"{share:.0%} of “{label}”" for label, share in measured.by_label.items())
    return [
        Finding(
            kind="label-noise",
            title=f"Up to {measured.rate.value:.0%} of the labels look wrong to a model that never saw them",
            harm=min(1.0, measured.rate.value),
            why=f"Doubted: {by_label}. Wrong labels cost the judge accuracy, and in the test set they hide it. The "
            "count is an "
            "upper guess: hard but right labels are in it.",
            advice="Have the most suspicious rows labelled again by an expert who does not see the old label.",
            command=f"assay data audit {name} --suspects suspects.jsonl && {_RELABEL.format(name=name)}",
            estimate=measured.rate,
            rows=round(measured.rate.value * len(table)),
            examples=tuple(table.ids[row] for row in worst),
        )
    ]


def agreement(measured: dict[str, Estimate], name: str) -> list[Finding]:
    """Whether labellers agree too little."""
    alpha = measured.get("krippendorff_alpha")
    if alpha is None or alpha.low >= LOW_AGREEMENT:
        return []
    return [
        Finding(
            kind="agreement",
            title=f"The labellers agree with α = {alpha.value:.2f}; it may be as low as {alpha.low:.2f}",
            harm=min(1.0, max(0.0, 1 - alpha.low) * 0.6),
            why="A judge cannot agree with the labels better than the labellers agree with one another: this is its "
            "ceiling.",
            advice="Read the examples they differ on, sharpen the guidance under a new version, label a sample anew.",
            command=f"assay data agreement {name}",
            estimate=alpha,
        )
    ]
