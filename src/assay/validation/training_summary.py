"""What the training record says about over-fitting, for the report.

Reads plain values (`training.json`): `epochs`, a list with `epoch`, `train_loss`, `dev_loss` and, where early stopping
goes by it, `dev_calibrated_loss`; `best_epoch`, the one whose weights were kept; `seconds`. What is not a finite number
counts as absent; the rest of the record is not looked at.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from assay.validation.report import Epoch, TrainingSummary

RISE = 1.02  # a loss this much above its lowest counts as risen; less is noise between epochs
MIN_EPOCHS = 2
LOSSES = ("train_loss", "dev_loss", "dev_calibrated_loss")


def training_summary(record: Mapping[str, Any]) -> TrainingSummary:
    """The training curves with a sentence about over-fitting.

    >>> points = [{"epoch": 1, "train_loss": 0.6, "dev_loss": 0.5}, {"epoch": 2, "train_loss": 0.3, "dev_loss": 0.7}]
    >>> training_summary({"epochs": points, "best_epoch": 1}).note
    'It began to over-fit after epoch 1: from there the loss on dev rose. The weights of epoch 1 were kept.'
    """
    points = record.get("epochs")
    points = points if isinstance(points, Sequence) and not isinstance(points, str) else ()
    epochs = tuple(epoch for point in points if isinstance(point, Mapping) and (epoch := _epoch(point)) is not None)
    kept = _number(record.get("best_epoch"))
    ending = "" if kept is None else f" The weights of epoch {kept:g} were kept."
    return TrainingSummary(
        epochs=epochs, kept_epoch=kept, seconds=_number(record.get("seconds")), note=_note(epochs) + ending
    )


def _epoch(point: Mapping[str, Any]) -> Epoch | None:
    epoch = _number(point.get("epoch"))
    if epoch is None:
        return None
    train, dev, calibrated = (_number(point.get(name)) for name in LOSSES)
    return Epoch(epoch=epoch, train_loss=train, dev_loss=dev, dev_calibrated_loss=calibrated)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _note(epochs: Sequence[Epoch]) -> str:
    if len(epochs) < MIN_EPOCHS or all(epoch.dev_loss is None for epoch in epochs):
        return "Too few epochs were recorded to see whether it over-fitted."
    dev = [(epoch.epoch, epoch.dev_loss) for epoch in epochs]
    calibrated = [(epoch.epoch, epoch.dev_calibrated_loss) for epoch in epochs]
    watched = calibrated if any(loss is not None for _, loss in calibrated) else dev
    since = _risen_since(watched)
    if since is not None:
        return f"It began to over-fit after epoch {since:g}: from there the loss on dev rose."
    if _risen_since(dev) is not None:
        return "It grew over-confident, which calibration corrects, but told the classes apart no worse to the end."
    return "No over-fitting to be seen: the loss on dev was at its lowest, or near it, at the end."


def _risen_since(points: Sequence[tuple[float, float | None]]) -> float | None:
    """The epoch of the lowest loss, if the last one is clearly above it."""
    known = [(epoch, loss) for epoch, loss in points if loss is not None]
    best, lowest = min(known, key=lambda point: point[1])
    return best if known[-1][1] > lowest * RISE else None
