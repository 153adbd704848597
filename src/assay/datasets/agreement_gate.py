"""The agreement gate before training: labels that people do not agree on teach a judge nothing.

`check_agreement(dataset, labelled)` refuses a dataset whose labellers' α may lie below the criterion's
`agreement_floor`, with the examples they differed on most and the guidance lines between which they were torn. It asks
nothing where no floor is declared.
"""

from collections.abc import Sequence

from assay.datasets.disagreement import Disagreement, contested_labels, most_disagreed
from assay.schema.criterion import Criterion
from assay.schema.dataset import DatasetVersion, FrozenRow
from assay.schema.errors import InputError, RefusedError, shown

SHOWN_EXAMPLES = 3
SHOWN_CHARS = 90
COEFFICIENT = "krippendorff_alpha"


def check_agreement(dataset: DatasetVersion, rows: Sequence[FrozenRow], criterion: Criterion) -> None:
    """Raises RefusedError where the lower bound of α is under the floor that `criterion` declares, or was not measured.

    `criterion` is the one in force: a floor may be declared after the freeze.
    """
    floor = criterion.agreement_floor
    if floor is None:
        return
    found = dataset.agreement.get(COEFFICIENT)
    if found is None:
        raise RefusedError(
            f"Nobody has measured whether people agree on {criterion.key!r}, and it declares a floor for that.",
            required=f"Krippendorff's α with a lower bound of {floor:g} or more",
            got=f"no α: in {dataset.id} no two labellers answered the same examples, or all gave one label",
            next_step=f"let a second person label a share of the examples; {_waiver(criterion)}",
        )
    if found["low"] >= floor:
        return
    disagreed = most_disagreed(((row.example, row.labels) for row in rows), criterion)
    examples = "; ".join(
        f"{one.example} ({_votes(one.votes)}) {shown(one.text, SHOWN_CHARS)}" for one in disagreed[:SHOWN_EXAMPLES]
    )
    raise RefusedError(
        f"The labellers of {dataset.id} agree too little for a judge to learn from them.",
        required=f"Krippendorff's α with a lower bound of {floor:g} or more",
        got=f"{found['value']:.3f} ({found['low']:.3f} to {found['high']:.3f}) on {found['n']:,.0f} examples; they "
        f"differed most on {examples}. {_torn(disagreed, criterion)}",
        next_step=f"sharpen these lines under a new version (all cases: assay data agreement {criterion.name}); "
        f"{_waiver(criterion)}",
    )


def check_waiver(why: str) -> None:
    """A waiver of the gate says why. Raises InputError."""
    if not why.strip():
        raise InputError(
            "A waiver of the agreement floor stands in the log with its reason.", required="a reason", got=shown(why)
        )


def _votes(votes: dict[str, int]) -> str:
    return ", ".join(f"{count} {label}" for label, count in votes.items())


def _torn(disagreed: Sequence[Disagreement], criterion: Criterion) -> str:
    pairs = contested_labels(disagreed, criterion)
    if not pairs:
        return "No row in the dataset shows it"
    labels, count = pairs[0]
    lines = {level.label: level.guidance for level in criterion.scale.levels}
    told = " / ".join(f"{label}: {shown(lines[label] or 'no guidance', SHOWN_CHARS)}" for label in labels)
    return f"The guidance they touch ({count:,} examples): {told}"


def _waiver(criterion: Criterion) -> str:
    return f"or say why it is to be trained all the same: assay train {criterion.name} --waive-agreement WHY"
