"""What a frozen dataset must hold before anything is trained on it, and what a number of test rows can buy.

`check_minimums(rows, criterion, settings)` refuses with the numbers and the waiver that would pass. Knows nothing of
how rows are split.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

from assay.datasets.near_duplicates import DEFAULT_THRESHOLD
from assay.datasets.splits import DEFAULT_SHARES, check_shares
from assay.ingest.mapping import meant
from assay.metrics.intervals import wilson_bounds
from assay.schema.criterion import Criterion
from assay.schema.dataset import FROZEN_SPLITS, FrozenRow, Split, Synthetic, Waiver
from assay.schema.errors import InputError, RefusedError, shown
from assay.schema.label import LABEL_SOURCES, LabelSource

MIN_TEST_PER_CLASS = 100
MIN_PER_CLASS = 10  # in every split: with fewer, early stopping, calibration and thresholds hang on single rows
Consensus: TypeAlias = Literal["majority", "weighted"]
Ties: TypeAlias = Literal["out", "train"]
ACCEPTED_LABELS: tuple[LabelSource, ...] = ("expert",)
_RECALL = 0.9
_MIN_CLASSES = 2
_LISTED_CLASSES = 5


@dataclass(frozen=True, kw_only=True)
class FreezeSettings:
    """How rows are split and what the test split must hold.

    `accept_labels` are the sources whose decision counts in the test split; an expert's always does.
    `min_test_per_class` under `MIN_PER_CLASS` lowers that minimum of the other splits too. `near_duplicate_threshold`
    is a Jaccard similarity in (0, 1]. `consensus` "weighted" weighs the labellers by how good they are.
    `ties` "train" keeps rows with tied labels for a training with soft targets; "out" leaves them to adjudication.
    `accept_synthetic` lets imported rows of source synthetic, or augmented ones too, stand in every split.
    """

    seed: int = 0
    shares: Mapping[Split, float] = field(default_factory=lambda: dict(DEFAULT_SHARES))
    accept_labels: tuple[LabelSource, ...] = ACCEPTED_LABELS
    min_test_per_class: int = MIN_TEST_PER_CLASS
    near_duplicate_threshold: float = DEFAULT_THRESHOLD
    consensus: Consensus = "majority"
    ties: Ties = "out"
    accept_synthetic: Synthetic = "none"

    def __post_init__(self) -> None:
        check_shares(self.shares)
        for source in self.accept_labels:
            if source not in LABEL_SOURCES:
                raise InputError(
                    "An unknown label source.", required=meant(str(source), LABEL_SOURCES), got=shown(source)
                )
        _check_one_of(self.consensus, get_args(Consensus), "There is no such consensus.")
        _check_one_of(self.ties, get_args(Ties), "There is no such way with ties.")
        _check_one_of(self.accept_synthetic, get_args(Synthetic), "There is no such waiver for synthetic rows.")
        if not self.accept_labels or self.min_test_per_class < 1 or not 0 < self.near_duplicate_threshold <= 1:
            raise InputError(
                "A setting of the freeze is out of range.",
                required="one or more accepted label sources, ≥ 1 test row per class, a similarity over 0 and up to 1",
                got=f"{shown(self.accept_labels)}, {self.min_test_per_class}, {self.near_duplicate_threshold}",
            )

    @property
    def accepted(self) -> tuple[LabelSource, ...]:
        """The accepted sources with expert among them, most trusted first."""
        return tuple(source for source in LABEL_SOURCES if source in (*ACCEPTED_LABELS, *self.accept_labels))

    @property
    def waiver(self) -> Waiver | None:
        """What is accepted beyond the default; None when nothing is."""
        full = self.accepted == ACCEPTED_LABELS and self.min_test_per_class >= MIN_TEST_PER_CLASS
        if full and self.accept_synthetic == "none":
            return None
        return Waiver(
            accept_labels=self.accepted, min_test_per_class=self.min_test_per_class, synthetic=self.accept_synthetic
        )


def _check_one_of(given: object, known: tuple[str, ...], problem: str) -> None:
    if given not in known:
        raise InputError(problem, required=meant(str(given), known), got=shown(given))


def check_minimums(rows: Sequence[FrozenRow], criterion: Criterion, settings: FreezeSettings) -> None:
    """Raises RefusedError: one class only, a split without enough of a class, or a test split that experts did not
    decide.
    """
    _check_classes(rows, criterion)
    accepted = _count(rows, ("test",), criterion, settings.accepted)
    if min(accepted.values()) < settings.min_test_per_class:
        raise RefusedError(
            f"The test split holds too few rows decided by a label of source {' or '.join(settings.accepted)}.",
            required=f"{settings.min_test_per_class} or more of each class",
            got=_listed(accepted, lambda label: f" ({_by_source(rows, label)})"),
            next_step=_waiver_command(rows, criterion, settings),
        )
    _check_splits(rows, criterion, settings)


def _check_classes(rows: Sequence[FrozenRow], criterion: Criterion) -> None:
    counts = _count(rows, FROZEN_SPLITS, criterion, LABEL_SOURCES)
    if sum(count > 0 for count in counts.values()) < _MIN_CLASSES:
        raise RefusedError(
            "All rows have one class; nothing can be learned or measured.",
            required=f"rows of two or more of {list(criterion.labels)}",
            got=_listed(counts),
            next_step="import rows of the other class",
        )


def _check_splits(rows: Sequence[FrozenRow], criterion: Criterion, settings: FreezeSettings) -> None:
    minimum = min(MIN_PER_CLASS, settings.min_test_per_class)
    for split in FROZEN_SPLITS:
        counts = _count(rows, (split,), criterion, LABEL_SOURCES)
        if min(counts.values()) < minimum:
            raise RefusedError(
                f"The split {split!r} holds too few rows of a class.",
                required=f"{minimum} or more of each class in every split",
                got=_listed(counts),
                next_step=_waiver_command(rows, criterion, settings),
            )


def _waiver_command(rows: Sequence[FrozenRow], criterion: Criterion, settings: FreezeSettings) -> str:
    """The command that would pass; where none would, what is missing."""
    present = {row.target.source for row in rows if row.split == "test"}
    in_test = _count(rows, ("test",), criterion, LABEL_SOURCES)
    in_others = [_count(rows, (split,), criterion, LABEL_SOURCES) for split in FROZEN_SPLITS if split != "test"]
    scarcest = min(min(counts.values()) for counts in in_others)
    enough = min(*in_test.values(), MIN_TEST_PER_CLASS)
    if scarcest < MIN_PER_CLASS:
        enough = min(enough, scarcest)
    if enough < 1:
        bought = [interval_bought(count) for count in (min(in_test.values()), settings.min_test_per_class)]
        return (
            f"import more rows ({_lacking(rows, criterion)}), labelled by experts where they are to decide the test; "
            f"{bought[0]}, and {bought[1]}"
        )
    sources = ",".join(source for source in LABEL_SOURCES if source in present)
    more = f" --seed {settings.seed}" if settings.seed else ""
    more += f" --consensus {settings.consensus}" if settings.consensus != "majority" else ""
    more += f" --ties {settings.ties}" if settings.ties != "out" else ""
    more += f" --accept-synthetic {settings.accept_synthetic}" if settings.accept_synthetic != "none" else ""
    return (
        "import more rows with labels of experts; or accept less, which is stored and printed on the judge card "
        f"({interval_bought(min(in_test.values()))}): "
        f"assay data freeze {criterion.name}{more} --accept-labels {sources} --min-test-per-class {enough}"
    )


def _lacking(rows: Sequence[FrozenRow], criterion: Criterion) -> str:
    """Which splits have no row of which classes."""
    parts: list[str] = []
    for split in FROZEN_SPLITS:
        none = [label for label, count in _count(rows, (split,), criterion, LABEL_SOURCES).items() if not count]
        if none:
            named = " and ".join(shown(label, 40) for label in none[:_LISTED_CLASSES])
            more = f" and of {len(none) - _LISTED_CLASSES} more" if len(none) > _LISTED_CLASSES else ""
            parts.append(f"the split {split!r} {'none' if parts else 'has none'} of {named}{more}")
    return ", ".join(parts)


def interval_bought(n_per_class: int) -> str:
    """How well so many test rows of a class pin down a recall of 0.9, as words for a sentence.

    >>> interval_bought(100)
    '100 test rows of a class pin a recall of 0.90 down to 0.83-0.94 (95 % Wilson interval, ± 0.06)'
    """
    if n_per_class < 1:
        return "without test rows of a class nothing is measured"
    low, high = wilson_bounds(_RECALL, n_per_class)
    return (
        f"{n_per_class:,} test rows of a class pin a recall of {_RECALL:.2f} down to {low:.2f}-{high:.2f} "
        f"(95 % Wilson interval, ± {(high - low) / 2:.2f})"
    )


def _count(
    rows: Sequence[FrozenRow], splits: Sequence[Split], criterion: Criterion, sources: Sequence[LabelSource]
) -> dict[str, int]:
    found = Counter(row.target.value for row in rows if row.split in splits and row.target.source in sources)
    return {label: found[label] for label in criterion.labels}


def _by_source(rows: Sequence[FrozenRow], label: str) -> str:
    found = Counter(row.target.source for row in rows if row.split == "test" and row.target.value == label)
    return ", ".join(f"{found[source]} by {source}" for source in LABEL_SOURCES if found[source]) or "none at all"


def _listed(counts: Mapping[str, int], more: Callable[[str], str] = lambda label: "") -> str:
    """The scarcest classes first; of a scale with many classes only these."""
    scarcest = sorted(counts, key=lambda label: counts[label])[:_LISTED_CLASSES]
    listed = ", ".join(f"{counts[label]} {label}{more(label)}" for label in scarcest)
    left = len(counts) - len(scarcest)
    return f"{listed} and {left} classes with no fewer" if left else listed
