"""Numbers and label sources in words, the same on the card and in the reasons of the gates."""

from collections.abc import Mapping, Sequence

from assay.metrics.intervals import Estimate
from assay.schema.label import LABEL_SOURCES

WHOSE: Mapping[str, str] = {
    "expert": "experts’",
    "crowd": "crowd workers’",
    "author": "the author’s",
    "teacher": "a teacher model’s",
    "user": "users’",
    "rule": "a rule’s",
}
MEASURE_NAMES: Mapping[str, str] = {
    "f1": "F1",
    "macro_f1": "Macro-F1",
    "precision": "Precision",
    "recall": "Recall",
    "specificity": "Specificity",
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "mcc": "Matthews correlation",
    "kappa": "Cohen’s κ",
    "weighted_kappa": "Weighted κ (quadratic)",
    "mean_absolute_error": "Mean absolute error",
    "accuracy": "Accuracy",
    "brier": "Brier score",
    "ece": "Calibration error",
    "brier_change": "Brier score, change by calibration",
}


def measure_name(name: str) -> str:
    """A measure's name for people."""
    return MEASURE_NAMES.get(name, name)


def number(value: float) -> str:
    """Two decimals, more where two would show nothing but zeros.

    >>> number(0.934), number(0.0041), number(0.0), number(-0.031)
    ('0.93', '0.0041', '0.00', '−0.03')
    """
    text = f"{value:.2f}" if abs(value) >= 0.01 or value == 0 else f"{value:.2g}"  # noqa: PLR2004 (what two decimals can show)
    return text.replace("-", "−")


def interval(estimate: Estimate) -> str:
    """Value with interval, such as `0.93 (0.90-0.95)`."""
    return f"{number(estimate.value)} ({span(estimate.low, estimate.high)})"


def span(low: float, high: float) -> str:
    """An interval; with “to” where a bound is negative.

    >>> span(0.1, 0.25), span(-0.1, 0.25)
    ('0.10–0.25', '−0.10 to 0.25')
    """
    return f"{number(low)} to {number(high)}" if low < 0 else f"{number(low)}–{number(high)}"


def percent(share: float) -> str:
    """A share in percent, without needless digits.

    >>> percent(0.02), percent(0.125), percent(0.0004), percent(0.9972), percent(1.0)
    ('2 %', '12 %', '0.04 %', '99.7 %', '100 %')
    """
    value = 100 * share
    text = f"{value:.2g}" if value < 10 else f"{value:.0f}"  # noqa: PLR2004 (two digits)
    if text == "100" and share < 1:
        text = f"{min(value, 99.99):.4g}" if value > 99.95 else f"{value:.1f}"  # noqa: PLR2004 (not quite all is not all)
    return f"{text} %"


def apart(a: float, b: float) -> tuple[str, str]:
    """Two different numbers with as many decimals as it takes to see that they differ, two at least.

    >>> apart(0.7996, 0.8), apart(0.91, 0.8)
    (('0.7996', '0.8000'), ('0.91', '0.80'))
    """
    for digits in range(2, 7):
        texts = f"{a:.{digits}f}", f"{b:.{digits}f}"
        if texts[0] != texts[1]:
            break
    return texts


def listed(items: Sequence[str], word: str = "and") -> str:
    """Items as in a sentence.

    >>> listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])
    ('a', 'a and b', 'a, b and c')
    """
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {word} {items[-1]}"


def whose(sources: Mapping[str, int]) -> str:
    """Whose labels they are, the most trusted first, with counts where there are several.

    >>> whose({"author": 40}), whose({"author": 40, "expert": 60})
    ('the author’s', 'experts’ (60) and the author’s (40)')
    """
    present = [source for source in LABEL_SOURCES if sources.get(source)]
    if len(present) == 1:
        return WHOSE[present[0]]
    return listed([f"{WHOSE[source]} ({sources[source]:,})" for source in present]) if present else "nobody’s"


def sentence(text: str) -> str:
    """A clause as a sentence: first letter raised, full stop at the end.

    >>> sentence("no reason was given")
    'No reason was given.'
    """
    text = text.strip()
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '!', '?')) else '.'}"
