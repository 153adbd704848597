"""Judge and word counts side by side on the test rows of several freezes, and the interval of their mean difference.

The report of one freeze compares them on its own test rows. Here the rows of all freezes are drawn again together
(`assay.metrics.repeated_splits`), and the same is done for a judge without a single mistake: what it would show is all
that these test rows can show.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from assay.api import Workspace
from assay.datasets.frozen_rows import load_rows, rows_of
from assay.metrics.accuracy import BINARY_STATISTICS
from assay.metrics.repeated_splits import SplitRows, mean_over_splits
from assay.store.blobs import Blobs
from assay.validation.baselines import ThresholdChoice, bag_of_words
from assay.validation.outcomes import judged, outcomes_of

SAMPLES = 2000
RANKED = ("auroc", "auprc")


@dataclass(frozen=True, kw_only=True, eq=False)
class Pair:
    """One freeze: decisions and probabilities of the judge and of the word counts on its test rows, all (n,)."""

    groups: list[str]
    truth: np.ndarray
    judge: tuple[np.ndarray, np.ndarray]
    words: tuple[np.ndarray, np.ndarray]

    def answers(self, measure: str) -> tuple[np.ndarray, np.ndarray]:
        """What the measure takes of the judge and of the word counts."""
        place = int(measure in RANKED)
        return self.judge[place], self.words[place]


def pair_of(workspace: Path, judge_id: str) -> Pair:
    """Judge the test rows once more, through the path that serves, and count words as the report does."""
    with Workspace.open(workspace) as here:
        judge = here.load(judge_id)
        version, criterion = judge.version, judge.criterion
        rows = load_rows(Blobs(here.settings.blobs), here.dataset(version.dataset))
        run = judged(judge.running, rows_of(rows, "test"))
    outcomes = outcomes_of(run, criterion, version.decision.threshold, 0)
    choice = ThresholdChoice.of(version)
    words = bag_of_words(rows_of(rows, "train"), rows_of(rows, "calibration"), outcomes, choice)
    positive = outcomes.positive
    shares = np.asarray(words.probabilities)  # never None for a bag of words
    return Pair(
        groups=[row.component for row in outcomes.rows],
        truth=outcomes.truth == positive,
        judge=(outcomes.predicted == positive, outcomes.probabilities[:, positive]),
        words=(words.predicted == positive, shares[:, positive]),
    )


def mean_difference(pairs: list[Pair], measure: str) -> dict[str, Any]:
    """The judge's mean over the freezes minus the word counts', and the same of a judge that is always right.

    `unseen` is how far the lower bound lies below the value: a smaller difference could not be told from none.
    """
    statistic = BINARY_STATISTICS[measure]

    def difference(weights: np.ndarray, *arrays: np.ndarray) -> np.ndarray:
        truth, ours, theirs = arrays
        return np.asarray(statistic(weights, truth, ours) - statistic(weights, truth, theirs))

    def over(perfect: bool) -> dict[str, Any]:
        splits = []
        for pair in pairs:
            ours, theirs = pair.answers(measure)
            ours = pair.truth.astype(ours.dtype) if perfect else ours
            splits.append(SplitRows(groups=pair.groups, arrays=(pair.truth, ours, theirs)))
        return dict(mean_over_splits(difference, splits, samples=SAMPLES).to_dict())

    measured = over(perfect=False)
    return {**measured, "unseen": measured["value"] - measured["low"], "if_never_wrong": over(perfect=True)}
