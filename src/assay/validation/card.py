"""The judge card: one HTML page that says what a judge is worth, to whoever has to decide about it.

`render_card(report, decision)` gives a self-contained page: style and pictures inside, no script, no request to
anywhere. All text from users (labels, excerpts, reasons) is escaped by the template engine; only our own pictures and
style go in as they are.
"""

from collections.abc import Mapping
from functools import lru_cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from assay.metrics.intervals import Estimate
from assay.schema.gate import Gate, GateDecision
from assay.schema.receipt import KindReceipt
from assay.validation import wording
from assay.validation.figures import all_figures
from assay.validation.plain_text import plain
from assay.validation.report import Contender, DatasetSummary, Report

GATE_NAMES = {
    "expert-labels": "Labelled by experts",
    "labeller-agreement": "Labellers agree",
    "accuracy": "Right often enough",
    "beats-bag-of-words": "Better than counting words",
    "beats-majority": "Better than a constant answer",
    "calibrated": "Probabilities can be trusted",
    "failures": "Hardly ever fails",
    "coverage": "Answers enough",
    "expected-precision": "Flags are worth reading",
    "few-flips": "Answers as its parent",
    "keeps-f1": "As good as its parent",
}
CONTENDER_NAMES = {"majority": "Commonest answer", "bag-of-words": "Bag of words", "llm-judge": "LLM judge"}
SLICE_MEASURES = ("accuracy", "precision", "recall", "auroc", "auprc", "brier", "ece")
TOO_RARE = 0.005


def render_card(report: Report, decision: GateDecision) -> str:
    """The page as HTML text. Report and decision must be about the same judge and dataset; raises ValueError."""
    if (decision.judge, decision.dataset) != (report.judge.id, report.dataset.id):
        raise ValueError(f"The decision is about {decision.judge}, the report about {report.judge.id}.")
    return (
        _environment()
        .get_template("card.html.j2")
        .render(
            report=report,
            decision=decision,
            figures={name: Markup(svg) for name, svg in all_figures(report).items()},  # noqa: S704 (drawn by us, text in it escaped)
            verdict=verdict(decision),
            precision_words=precision_words(report),
            label_words=label_words(report),
            threshold_words=threshold_words(report),
            slice_measures=slice_measures(report),
            measure_names=[report.main_measure, *(name for name in report.measures if name != report.main_measure)],
        )
    )


def verdict(decision: GateDecision) -> str:
    """The answer in words, with its reasons.

    >>> gate = Gate(name="a", required="", measured=None, low=None, high=None, passed=False, why="it was not measured")
    >>> verdict(GateDecision(judge="a-1", dataset="d", gates=(gate,)))
    'May not be promoted, because it was not measured.'
    """
    if decision.passed:
        return "May be promoted."
    reasons = list(decision.because)
    if not reasons:
        return "May not be promoted, because no gate was measured."
    if len(reasons) == 1:
        return wording.sentence(f"May not be promoted, because {reasons[0]}")
    return f"May not be promoted, because {len(reasons)} of {len(decision.gates)} gates are not passed."


def precision_words(report: Report) -> str:
    """What a flag would be worth in production, in whole answers out of a hundred."""
    positive = report.criterion.scale.positive
    if positive is None:
        return ""
    name = plain(positive, limit=40)
    if not report.base_rates.known:
        return (
            f"How many flags would be real in production is not known: nobody has declared how often “{name}” "
            "occurs there (base_rate in the criterion file)."
        )
    rate = report.base_rates.production[positive]
    basis = f"if {wording.percent(rate)} of production is “{name}”, as {report.base_rates.source}"
    found = report.expected_precision
    if found is None:
        return f"On the test rows it flagged nothing, so nothing can be said of its flags {basis}."
    return f"Of 100 answers flagged as “{name}”, about {_of_hundred(found)} would be real, {basis}."


def label_words(report: Report) -> str:
    """Whose labels the test rows have, who checked them, and what was waived."""
    dataset = report.dataset
    sources = dict(dataset.deciding_sources.get("test", {}))
    parts = [f"Labels of the test rows: {wording.whose(sources)}."]
    if not sources.get("expert"):
        parts.append("No label is an expert’s.")
    alpha = dataset.agreement.get("krippendorff_alpha")
    if alpha is None:
        parts.append("Nobody checked them: no example has labels of two people.")
    else:
        parts.append(ceiling_words(report, alpha))
    if dataset.waiver is not None:
        accepted = wording.listed([wording.WHOSE[source] for source in dataset.waiver.accept_labels], "or")
        rows = f"{dataset.waiver.min_test_per_class:,}"
        parts.append(f"Waiver given at the freeze: labels may be {accepted}; at least {rows} test rows of each class.")
    return " ".join([*parts, *synthetic_words(dataset)])


def ceiling_words(report: Report, alpha: Mapping[str, float]) -> str:
    """How far people agree, that this is as much as can be asked of a judge, and how far the judge agrees with them."""
    people = (
        f"Two or more people labelled {alpha['n']:,.0f} of the examples; they agree with Krippendorff’s α = "
        f"{wording.number(alpha['value'])} ({wording.span(alpha['low'], alpha['high'])}). That is the judge’s ceiling: "
        "it can hardly agree better with people than they do with one another."
    )
    name = "weighted_kappa" if report.criterion.scale.kind == "ordinal" else "kappa"
    judge = report.measures.get(name)
    if judge is None:
        return people
    span = wording.span(judge.low, judge.high)
    return (
        f"{people} The judge agrees with the labels of the test rows with {wording.measure_name(name)} = "
        f"{wording.number(judge.value)} ({span}); on both scales 1 is perfect and 0 is chance."
    )


def synthetic_words(dataset: DatasetSummary) -> list[str]:
    """How many rows nobody met in production, where they stand, and what experts said of the augmented ones."""
    if not dataset.synthetic:
        return []
    places = wording.listed([f"{count:,} in {split}" for split, count in dataset.synthetic.items()])
    words = [f"Synthetic rows: {places}."]
    for receipt in dataset.receipts:
        kinds = wording.listed([_kind_words(kind) for kind in receipt.kinds])
        writer = "no language model" if receipt.generator is None else plain(receipt.generator.model, limit=40)
        words.append(f"Augmented by {writer} (receipt {receipt.id}); experts agreed with {kinds}.")
    if dataset.waiver is not None and dataset.waiver.synthetic != "none":
        words.append(f"Waiver given at the freeze: {dataset.waiver.synthetic} synthetic rows may stand in every split.")
    return words


def _kind_words(kind: KindReceipt) -> str:
    share = kind.agreement["share"]
    bounds = wording.span(share["low"], share["high"])
    return f"{kind.agreed:,} of {kind.sampled:,} {kind.kind} ({bounds})"


def threshold_words(report: Report) -> str:
    """How a probability becomes an answer."""
    decision, positive = report.judge.decision, report.criterion.scale.positive
    if decision.threshold is None or positive is None:
        return "the most probable label"
    words = f"“{plain(positive, limit=40)}” from a probability of {wording.number(decision.threshold)}"
    words += f" ({decision.policy}, chosen on the calibration rows)"
    if decision.abstain_low is None or decision.abstain_high is None or decision.abstain_low == decision.abstain_high:
        return words
    return f"{words}; undecided between {wording.span(decision.abstain_low, decision.abstain_high)}"


def slice_measures(report: Report) -> list[str]:
    """The measures that the table of slices shows: those of `SLICE_MEASURES` that were measured in any of them."""
    measured = {name for part in report.slices for name in part.measures or {}}
    return [name for name in (report.main_measure, *SLICE_MEASURES) if name in measured] or [report.main_measure]


def tied(text: str) -> str:
    """The text with signs and units held to their numbers, so that no line ends between them.

    >>> tied("≥ 100 rows, 25 %") == "≥\N{NO-BREAK SPACE}100 rows, 25\N{NO-BREAK SPACE}%"
    True
    """
    for sign in "≥≤<>=":
        text = text.replace(f"{sign} ", f"{sign}\N{NO-BREAK SPACE}")
    return text.replace(" %", "\N{NO-BREAK SPACE}%")


def milliseconds(value: float) -> str:
    """A duration with three digits.

    >>> milliseconds(13.04), milliseconds(1240.0)
    ('13', '1,240')
    """
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"  # noqa: PLR2004 (two digits are enough below)


def gate_value(gate: Gate) -> str:
    """What a gate measured, as a table shows it."""
    if gate.measured is None:
        return "not measured"
    if gate.name == "expert-labels":
        return f"{gate.measured:,.0f} rows"
    show = wording.percent if gate.name in ("failures", "coverage", "expected-precision") else wording.number
    if gate.low is None or gate.high is None:
        return show(gate.measured)
    between = " to " if gate.low < 0 else "–"
    return f"{show(gate.measured)} ({show(gate.low)}{between}{show(gate.high)})".replace(" %–", "–")


def difference_of(contender: Contender, measure: str) -> str:
    """The judge's advantage over a contender in a measure."""
    found = contender.differences.get(measure)
    if found is None:
        return "not measured"
    sign = "+" if found.value > 0 else ""
    return f"{sign}{wording.interval(found)}"


def _of_hundred(found: Estimate) -> str:
    """Whole flags out of a hundred with their interval; “under 1” where there would be none."""
    whole = [round(100 * value) for value in (found.value, found.low, found.high)]
    value = "under 1" if found.value < TOO_RARE else str(whole[0])
    return f"{value} ({whole[1]}–{whole[2]})"


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("assay.validation", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "plain": plain,
        "tied": tied,
        "ms": milliseconds,
        "number": wording.number,
        "interval": wording.interval,
        "percent": wording.percent,
        "sentence": wording.sentence,
        "measure_name": wording.measure_name,
        "gate_value": gate_value,
        "gate_name": lambda name: GATE_NAMES.get(name, name),
        "contender_name": lambda name: CONTENDER_NAMES.get(name, name),
        "difference_of": difference_of,
    }
    return environment
