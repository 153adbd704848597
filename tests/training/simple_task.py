"""Tasks that a tiny model learns in a second, as frozen datasets, and a training of one as a process of its own."""

import json
import random
import sys
import time
from pathlib import Path

from assay.registry import Registry
from assay.schema.criterion import Criterion, Level, Scale
from assay.schema.dataset import DatasetVersion, FrozenRow, Split
from assay.schema.example import Example
from assay.schema.ids import digest_json
from assay.schema.label import Label, Target
from assay.schema.records import to_jsonable
from assay.store.database import open_database
from assay.training.train import OnProgress, TrainedJudge, TrainingRequest, train

FILLERS = ("weather", "food", "garden", "river", "night", "home", "school", "health", "work", "city")
SIZES: dict[Split, int] = {"train": 160, "dev": 40, "calibration": 60, "test": 60}
TASKS = {
    "binary": ("yes", "no"),
    "categorical": ("sport", "money", "music"),
    "ordinal": ("poor", "fair", "good"),
}
_SIGNS = {"yes": ("buy", "sell"), "no": ("travel", "mountain")}


def criterion_of(kind: str) -> Criterion:
    labels = TASKS[kind]
    positive = "yes" if kind == "binary" else None
    scale = Scale(kind=kind, levels=tuple(Level(label=label) for label in labels), positive=positive)
    return Criterion(name=f"{kind}_task", version="1", question="Which one?", reads=("input", "output"), scale=scale)


def dataset_of(kind: str, seed: int = 0) -> tuple[DatasetVersion, list[FrozenRow]]:
    """A word among fillers decides the label; texts differ in length."""
    criterion, numbers = criterion_of(kind), random.Random(seed)
    rows = [_row(criterion, split, place, numbers) for split, size in SIZES.items() for place in range(size)]
    digest = digest_json([to_jsonable(row) for row in rows])
    dataset = DatasetVersion(
        id=f"{criterion.name}-data-{digest[:8]}",
        digest=digest,
        criterion=criterion,
        rows_blob=digest,
        seed=seed,
        counts={},
        deciding_sources={},
        agreement={},
        settings={},
        dropped={},
        waiver=None,
        created_at="2026-01-01T00:00:00+00:00",
    )
    return dataset, rows


def _row(criterion: Criterion, split: Split, place: int, numbers: random.Random) -> FrozenRow:
    label = criterion.labels[place % len(criterion.labels)]
    words = numbers.choices(FILLERS, k=numbers.randint(2, 9))
    words.insert(numbers.randint(0, len(words)), numbers.choice(_SIGNS.get(label, (label,))))
    example = Example(id=f"{split}-{place}", input="Which one?", output=" ".join(words))
    opinion = Label(example_id=example.id, value=label, labeller="mia", source="expert", criterion=criterion.key)
    target = Target(value=label, source="expert", votes={label: 1}, agreement=1.0)
    return FrozenRow(example=example, labels=(opinion,), target=target, split=split, component=example.id)


def registry_at(root: Path) -> Registry:
    root.mkdir(parents=True, exist_ok=True)
    return Registry(open_database(f"sqlite:///{root / 'assay.db'}"), root / "judges")


def train_at(root: Path, kind: str, request: TrainingRequest, on_progress: OnProgress | None = None) -> TrainedJudge:
    """Train in a project of its own."""
    dataset, rows = dataset_of(kind)
    return train(dataset, rows, registry_at(root), request, runs=root / "runs", on_progress=on_progress)


def resumable(backbone: Path) -> TrainingRequest:
    """Four epochs of ten steps."""
    overrides = {"epochs": 4, "patience": 4}
    return TrainingRequest(backbone=str(backbone), method="lora", dtype="float32", overrides=overrides)


if __name__ == "__main__":  # FOLDER BACKBONE [SECONDS A STEP]: slowly by default, so that there is time to kill it
    pause_s = float(sys.argv[3]) if sys.argv[3:] else 0.1
    heard: list[tuple[str, int, int]] = []
    came = train_at(
        Path(sys.argv[1]),
        "binary",
        resumable(Path(sys.argv[2])),
        lambda *step: (heard.append(step), time.sleep(pause_s))[1],
    )
    said = {"id": came.id, "heard": heard[-2:], "dev_loss": [epoch["dev_loss"] for epoch in came.fit.epochs]}
    print(json.dumps(said), flush=True)
