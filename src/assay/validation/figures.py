"""The pictures of the judge card, each an inline SVG with its interval, and with words for those who cannot see it."""

from collections.abc import Mapping
from itertools import groupby
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, PercentFormatter

from assay.metrics.intervals import Estimate
from assay.validation.drawing import Ink, axes_at, drawn
from assay.validation.plain_text import plain
from assay.validation.report import Report, Slice
from assay.validation.wording import interval, measure_name, number, percent

LABEL_CHARS = 22
MAX_MATRIX_LABELS = 12
ROW_INCH = 0.23
MIN_ANSWERED = 20  # rows; a share of fewer wrong ones says nothing
BAND: Mapping[str, Any] = {"color": Ink.MAIN, "alpha": 0.16, "linewidth": 0}


def reliability(report: Report) -> str:
    """What was said against what was seen, by bin, with Wilson intervals; below it how many rows each bin holds."""
    found = report.calibration
    said = np.array([point.mean_confidence for point in found.curve])
    seen = np.array([point.observed for point in found.curve])
    reach = np.array([[p.observed - p.low for p in found.curve], [p.high - p.observed for p in found.curve]])

    def draw(figure: Figure) -> None:
        axes = axes_at(figure, 0.13, 0.34)
        axes.plot([0, 1], [0, 1], color=Ink.MUTED, linestyle="--", linewidth=1)
        axes.errorbar(said, seen, yerr=np.clip(reach, 0, None), fmt="o", color=Ink.MAIN, markersize=5, linewidth=1.2)
        axes.text(0.72, 0.68, "perfect", color=Ink.MUTED, ha="left", va="top", fontsize=9)
        _unit_square(axes, "", "Really so")
        axes.tick_params(labelbottom=False)
        counts = axes_at(figure, 0.13, 0.14, top=0.29)
        counts.vlines(said, 0, [point.n for point in found.curve], color=Ink.MAIN, linewidth=4)
        counts.set(xlim=(-0.03, 1.03), ylim=(0, None), xlabel="Probability the judge gave", ylabel="Rows")
        counts.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        counts.yaxis.set_major_locator(MaxNLocator(2, integer=True))

    label = (
        f"Reliability diagram with {len(found.curve)} bins; expected calibration error {interval(found.ece)}, "
        f"a perfectly calibrated judge would show up to {number(found.perfect_q95)}"
    )
    return drawn(draw, name="reliability", label=label)


def precision_recall(report: Report) -> str | None:
    """The curve, where the judge works on it (with both intervals), and the line of a judge that guesses."""
    points, positive = report.curves.precision_recall, report.criterion.scale.positive
    precision, recall = report.measures.get("precision"), report.measures.get("recall")
    if not points or positive is None or recall is None:
        return None
    base_rate = report.base_rates.test[positive]

    def draw(figure: Figure) -> None:
        axes = axes_at(figure, 0.13, 0.15)
        axes.plot([p.recall for p in points], [p.precision for p in points], color=Ink.MAIN, linewidth=1.6)
        axes.axhline(base_rate, color=Ink.MUTED, linestyle="--", linewidth=1)
        below = base_rate > 0.1  # noqa: PLR2004 (room for the words under the line)
        axes.text(0.0, base_rate + (-0.015 if below else 0.015), "guessing", color=Ink.MUTED, fontsize=9,
                  va="top" if below else "bottom")  # fmt: skip
        if precision is not None:
            _cross(axes, recall, precision)
        _unit_square(axes, "Recall: found, of all real ones", "Precision: real, of all flagged")

    label = "Precision-recall curve; no operating point" if precision is None else (
        f"Precision-recall curve; the judge works at precision {interval(precision)} and recall {interval(recall)}"
    )  # fmt: skip
    return drawn(draw, name="precision-recall", label=label)


def risk_coverage(report: Report) -> str:
    """How often the judge is wrong when it answers only the rows that it is surest of. Begins where 20 rows are
    answered.
    """
    every = report.curves.risk_coverage.points
    least = MIN_ANSWERED / report.answers.decided
    points = [point for point in every if point.coverage >= least] or [every[-1]]
    coverage = [point.coverage for point in points]

    def draw(figure: Figure) -> None:
        axes = axes_at(figure, 0.13, 0.14, right=0.95)
        axes.fill_between(coverage, [p.low for p in points], [p.high for p in points], **BAND)
        axes.plot(coverage, [point.risk for point in points], color=Ink.MAIN, linewidth=1.6)
        top = min(1.0, max(0.05, 1.3 * max(point.high for point in points)))
        axes.set(xlim=(-0.02, 1.02), ylim=(0, top), xlabel="Answered: the surest first", ylabel="Wrong among them")
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0 if top > 0.08 else 1))  # noqa: PLR2004 (5 steps)
        axes.grid(visible=True)

    label = f"Risk-coverage curve; answering everything, {percent(points[-1].risk)} are wrong"
    return drawn(draw, name="risk-coverage", label=label)


def slices(report: Report) -> str | None:
    """A forest plot of the main measure: one row a slice, with its interval; the dashed line is the whole split."""
    shown = [(part, estimate) for part in report.slices if (estimate := _main(report, part)) is not None]
    if not shown:
        return None
    rows: list[tuple[Slice, Estimate] | str] = []
    for key, members in groupby(shown, key=lambda pair: pair[0].key):
        rows += [key, *members]

    def draw(figure: Figure) -> None:
        margin = 0.55 / figure.get_figheight()
        axes = axes_at(figure, 0.42, margin, top=1 - 0.05 / figure.get_figheight())
        for y, row in enumerate(rows):
            _forest_row(axes, y, row)
        whole = report.measures.get(report.main_measure)
        if whole is not None:
            axes.axvline(whole.value, color=Ink.MUTED, linestyle="--", linewidth=1)
        lowest = float(np.floor(10 * min(estimate.low for _, estimate in shown) - 0.2) / 10)
        axes.set(xlim=(lowest, 1.01), ylim=(len(rows) - 0.4, -0.6), xlabel=measure_name(report.main_measure))
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.grid(visible=True, axis="x")

    label = f"{measure_name(report.main_measure)} by slice, {len(shown)} slices; the numbers are in the table below"
    return drawn(draw, name="slices", label=label, height_inch=0.65 + ROW_INCH * len(rows))


def confusion(report: Report) -> str | None:
    """Rows counted by what is so and what was answered; darker is a larger share of what is so. None for over 12
    labels.
    """
    labels, counts = report.criterion.labels, np.array(report.confusion)
    if len(labels) > MAX_MATRIX_LABELS:
        return None
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = len(labels)

    def draw(figure: Figure) -> None:
        axes = axes_at(figure, 0.27, 0.2)
        for (down, across), count in np.ndenumerate(counts):
            colour = Ink.MAIN if down == across else Ink.SECOND
            alpha = 0.06 + 0.5 * float(shares[down, across])
            axes.add_patch(Rectangle((across, down), 1, 1, facecolor=colour, alpha=alpha, linewidth=0))
            note = f"{count:,}" if size > 4 else f"{count:,}\n{percent(float(shares[down, across]))}"  # noqa: PLR2004
            axes.text(across + 0.5, down + 0.5, note, ha="center", va="center", fontsize=11)
        names = [plain(label, limit=LABEL_CHARS if size == 2 else 11) for label in labels]  # noqa: PLR2004
        axes.set(xlim=(0, size), ylim=(size, 0), xlabel="The judge answered", ylabel="Really so")
        axes.set_xticks(np.arange(size) + 0.5, names, rotation=0 if size <= 4 else 30)  # noqa: PLR2004
        axes.set_yticks(np.arange(size) + 0.5, names)
        for spine in axes.spines.values():
            spine.set_visible(False)

    cells = "; ".join(
        f"{labels[down]} answered as {labels[across]}: {count}" for (down, across), count in np.ndenumerate(counts)
    )
    return drawn(draw, name="confusion", label=f"Confusion matrix. {plain(cells, limit=400)}")


def training_curves(report: Report) -> str | None:
    """Loss on train and on dev by epoch, and the epoch whose weights were kept. None without two recorded epochs."""
    training = report.training
    if training is None or len(training.epochs) < 2:  # noqa: PLR2004 (a line needs two points)
        return None
    curves = {
        "train": (Ink.SECOND, "-", [(e.epoch, e.train_loss) for e in training.epochs if e.train_loss is not None]),
        "dev": (Ink.MAIN, "-", [(e.epoch, e.dev_loss) for e in training.epochs if e.dev_loss is not None]),
        "dev, rescaled": (
            Ink.MAIN,
            ":",
            [(e.epoch, e.dev_calibrated_loss) for e in training.epochs if e.dev_calibrated_loss is not None],
        ),
    }

    def draw(figure: Figure) -> None:
        axes = axes_at(figure, 0.13, 0.15, right=0.78)
        for name, (colour, style, points) in curves.items():
            if points:
                axes.plot(*zip(*points, strict=True), color=colour, linestyle=style, marker="o", markersize=4)
                axes.annotate(name, points[-1], (6, 0), textcoords="offset points", color=colour, va="center")
        if training.kept_epoch is not None:
            axes.axvline(training.kept_epoch, color=Ink.MUTED, linestyle="--", linewidth=1)
        axes.set(xlabel="Epoch", ylabel="Loss", ylim=(0, None))
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        axes.grid(visible=True)

    return drawn(draw, name="training", label=f"Training curves. {training.note}")


def _main(report: Report, part: Slice) -> Estimate | None:
    return None if part.measures is None else part.measures.get(report.main_measure)


def _forest_row(axes: Axes, y: int, row: tuple[Slice, Estimate] | str) -> None:
    place: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "va": "center"}
    if isinstance(row, str):
        axes.text(-0.72, y, plain(row, limit=LABEL_CHARS), color=Ink.MUTED, fontsize=9, weight="bold", **place)
        return
    part, estimate = row
    axes.text(-0.72, y, plain(part.value, limit=LABEL_CHARS), fontsize=9.5, **place)
    axes.text(-0.04, y, f"{part.n:,}", fontsize=9, color=Ink.MUTED, ha="right", **place)
    axes.plot([estimate.low, estimate.high], [y, y], color=Ink.MAIN, linewidth=1.4, solid_capstyle="butt")
    axes.plot([estimate.value], [y], color=Ink.MAIN, marker="o", markersize=5)


def _cross(axes: Axes, recall: Estimate, precision: Estimate) -> None:
    axes.plot([recall.low, recall.high], [precision.value] * 2, color=Ink.SECOND, linewidth=1.4)
    axes.plot([recall.value] * 2, [precision.low, precision.high], color=Ink.SECOND, linewidth=1.4)
    axes.plot([recall.value], [precision.value], color=Ink.SECOND, marker="o", markersize=6)
    offset, side = (-8, "right") if recall.value > 0.5 else (8, "left")  # noqa: PLR2004 (the half with room)
    axes.annotate("works here", (recall.value, precision.value), (offset, -9), textcoords="offset points",
                  color=Ink.SECOND, ha=side, va="top", fontsize=9)  # fmt: skip


def _unit_square(axes: Axes, x: str, y: str) -> None:
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), xlabel=x, ylabel=y)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(visible=True)


def all_figures(report: Report) -> dict[str, str]:
    """Every picture that this report has material for, by name."""
    makers = (reliability, precision_recall, risk_coverage, slices, confusion, training_curves)
    found = {make.__name__: make(report) for make in makers}
    return {name: svg for name, svg in found.items() if svg is not None}
