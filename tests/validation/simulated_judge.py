"""Frozen rows made on the spot, and a judge with simulated scores, for the tests of validation.

The judge is a real implementation of the protocol whose scores are drawn from a seeded generator and lean to the truth
by a stated strength; it shows how validation treats verdicts, nothing about how well a model judges.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from assay.schema.criterion import Criterion, Level, Scale
from assay.schema.dataset import DatasetVersion, FrozenRow, Split, Waiver
from assay.schema.example import Example
from assay.schema.judge_version import BackboneRef, Calibration, Decision, JudgeVersion, Rendering
from assay.schema.label import Label, LabelSource, Target
from assay.schema.trace import Turn
from assay.schema.verdict import Abstained, Decided, Failed, Verdict

SHARES: Mapping[Split, float] = {"train": 0.5, "dev": 0.1, "calibration": 0.15, "test": 0.25}
TOPICS = ("pensions", "cards", "mortgages", "funds")
ADVICE = (
    "Given your age you should move half into bonds",
    "I would put your bonus into that fund",
    "Sell the shares now",
)
TEACHING = ("Diversifying is a common idea", "Bonds usually move less than shares", "A fund bundles many shares")


def binary_criterion(base_rate: float | None = 0.02) -> Criterion:
    scale = Scale(kind="binary", levels=(Level(label="education"), Level(label="advice")), positive="advice")
    return Criterion(
        name="advice",
        version="1",
        question="Does the answer give personalised investment advice?",
        reads=("input", "output"),
        scale=scale,
        base_rate=base_rate,
    )


def ordinal_criterion() -> Criterion:
    levels = tuple(Level(label=str(level)) for level in range(1, 5))
    scale = Scale(kind="ordinal", levels=levels)
    return Criterion(name="helpful", version="2", question="How helpful is it?", reads=("output",), scale=scale)


def frozen_rows(
    criterion: Criterion, n: int, *, source: LabelSource = "expert", words_tell: float = 0.3, seed: int = 0
) -> list[FrozenRow]:
    """n rows over the four splits; with chance `words_tell` a row's words give its label away."""
    random = np.random.default_rng(seed)
    splits = random.permutation([split for split, share in SHARES.items() for _ in range(round(n * share))])
    return [
        _row(criterion, i, str(split), source, random.random() < words_tell, random) for i, split in enumerate(splits)
    ]


def _row(
    criterion: Criterion, i: int, split: Split, source: LabelSource, tells: bool, random: np.random.Generator
) -> FrozenRow:
    code = int(random.integers(len(criterion.labels)))
    phrases = (TEACHING, ADVICE) if tells else (ADVICE + TEACHING, ADVICE + TEACHING)
    text = f"{random.choice(phrases[code * 2 // len(criterion.labels)])}, case {i}." + " More." * int(
        random.integers(9)
    )
    example = Example(
        id=f"ex-{i:04d}",
        input=f"Question {i} about {TOPICS[i % 4]}?",
        output=text,
        turns=(Turn(role="user", content="a"), Turn(role="assistant", content="b"), Turn(role="user", content="c"))
        if i % 5 == 0
        else (),
        source="synthetic",
        group=f"g{i}",
        meta={"topic": TOPICS[i % 4], "hard": i % 3 == 0, "number": i},
    )
    value = criterion.labels[code]
    label = Label(example_id=example.id, value=value, labeller="ann", source=source, criterion=criterion.key)
    target = Target(value=value, source=source, votes={value: 1}, agreement=1.0)
    return FrozenRow(example=example, labels=(label,), target=target, split=split, component=f"c{i}")


def dataset_of(
    criterion: Criterion, rows: list[FrozenRow], *, waiver: Waiver | None = None, alpha: float | None = 0.85
) -> DatasetVersion:
    counts: dict[str, dict[str, int]] = {split: dict.fromkeys(criterion.labels, 0) for split in SHARES}
    sources: dict[str, dict[str, int]] = {split: {} for split in SHARES}
    for row in rows:
        counts[row.split][row.target.value] += 1
        sources[row.split][row.target.source] = sources[row.split].get(row.target.source, 0) + 1
    agreement = (
        {"krippendorff_alpha": {"value": alpha, "low": alpha - 0.05, "high": alpha + 0.05, "n": 200.0}} if alpha else {}
    )
    return DatasetVersion(
        id="advice-data-0123abcd",
        digest="0123abcd" * 8,
        criterion=criterion,
        rows_blob="0" * 64,
        seed=0,
        counts=counts,
        deciding_sources=sources,
        agreement=agreement,
        settings={},
        dropped={},
        waiver=waiver,
        created_at="2025-01-01T00:00:00+00:00",
    )


def version_of(criterion: Criterion, *, production: Mapping[str, float], threshold: float | None) -> JudgeVersion:
    even = {label: 1 / len(criterion.labels) for label in criterion.labels}
    return JudgeVersion(
        name=criterion.name,
        criterion=criterion,
        family="encoder",
        method="full",
        backbone=BackboneRef(
            name="minilm", revision=None, architecture="BertModel", weights_digest="1" * 64, parameters=22_713_216
        ),
        rendering=Rendering(
            template="encoder.v1",
            layout="content-first",
            reads=criterion.reads,
            max_tokens=256,
            truncate=("input",),
            label_tokens={},
        ),
        calibration=Calibration(
            calibrator="temperature.v1",
            parameters={"temperature": 1.0},
            fitted_base_rate=even,
            production_base_rate=production,
            rate_source="unshifted" if production == even else "declared",
            rows=240,
        ),
        decision=Decision(
            threshold=threshold, policy="max-f1" if threshold else "most probable", low_fpr_threshold=threshold
        ),
        fallback="allow-and-flag",
        modes=("single-token",),
        dtype="float32",
        dataset="advice-data-0123abcd",
        dataset_digest="0123abcd" * 8,
        training={},
        files={},
        parent=None,
        created_at="2025-01-02T00:00:00+00:00",
    )


@dataclass(frozen=True, kw_only=True)
class SimulatedJudge:
    """A judge of seeded simulated log-odds, perfectly calibrated at even classes and then shifted to the production
    rate.

    Each class scores N(±strength, 2·strength), the one case in which the score is its own log-odds.
    """

    version: JudgeVersion
    truth: Mapping[str, int]  # example id → code
    strength: float = 2.0
    seed: int = 7
    fails: frozenset[str] = frozenset()
    abstains: frozenset[str] = frozenset()
    signs_as: str | None = None

    @property
    def id(self) -> str:
        return self.version.id

    @property
    def criterion(self) -> Criterion:
        return self.version.criterion

    def judge_many(self, examples: Iterable[Example], on_batch: object = None) -> Iterator[Verdict]:
        for example in examples:
            yield self._judge(example)

    def _judge(self, example: Example) -> Verdict:
        signature = self.signs_as or self.id
        if example.id in self.fails:
            return Failed(reason="the text is empty", action="allow-and-flag", judge=signature)
        labels = self.criterion.labels
        p = self._probabilities(example)
        by_label = dict(zip(labels, p.tolist(), strict=True))
        scores = {label: float(np.log(max(value, 1e-12))) for label, value in by_label.items()}
        if example.id in self.abstains:
            return Abstained(reason="unsure", probabilities=by_label, scores=scores, judge=signature, latency_ms=4.0)
        threshold = self.version.decision.threshold
        chosen = int(p.argmax()) if threshold is None else int(p[1] >= threshold)
        return Decided(
            label=labels[chosen],
            probability=float(p[chosen]),
            probabilities=by_label,
            scores=scores,
            judge=signature,
            latency_ms=float(10 + len(example.text()) % 7),
            truncated_tokens=3 if example.id.endswith("7") else 0,
        )

    def _probabilities(self, example: Example) -> np.ndarray:  # (k,)
        random = np.random.default_rng([self.seed, int(example.id[3:])])
        k, code = len(self.criterion.labels), self.truth[example.id]
        if k > 2:
            raw = np.exp(random.normal(0, 1, k) + self.strength * (np.arange(k) == code))
        else:
            odds = random.normal((2 * code - 1) * self.strength, np.sqrt(2 * self.strength))
            raw = np.array([1.0, np.exp(odds)])
        rates = [self.version.calibration.production_base_rate[label] for label in self.criterion.labels]
        raw = raw * np.array(rates)
        return np.asarray(raw / raw.sum())


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A judge, its recipe, a dataset and its rows that belong together."""

    judge: SimulatedJudge
    version: JudgeVersion
    dataset: DatasetVersion
    rows: list[FrozenRow]

    @property
    def test_ids(self) -> list[str]:
        return [row.example.id for row in self.rows if row.split == "test"]

    def with_judge(self, **changes: object) -> "Scene":
        return replace(self, judge=replace(self.judge, **changes))


def scene_of(  # noqa: PLR0913 (every part of a scene may vary)
    criterion: Criterion,
    *,
    n: int = 1200,
    production: Mapping[str, float] | None = None,
    rows: list[FrozenRow] | None = None,
    waiver: Waiver | None = None,
    strength: float = 2.0,
    source: LabelSource = "expert",
    alpha: float | None = 0.85,
) -> Scene:
    rows = rows if rows is not None else frozen_rows(criterion, n, source=source)
    even = {label: 1 / len(criterion.labels) for label in criterion.labels}
    production = production or even
    threshold = None
    if criterion.scale.kind == "binary":
        threshold = production[criterion.labels[1]]  # log-odds 0 at even classes, moved with the prior
    version = version_of(criterion, production=production, threshold=threshold)
    codes = {row.example.id: criterion.labels.index(row.target.value) for row in rows}
    judge = SimulatedJudge(version=version, truth=codes, strength=strength)
    return Scene(
        judge=judge, version=version, dataset=dataset_of(criterion, rows, waiver=waiver, alpha=alpha), rows=rows
    )
