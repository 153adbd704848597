"""Findings about the form of texts, in words: shortcuts, telling phrases, the sides of a pair."""

import shlex
from collections.abc import Sequence

from assay.datasets.audit.finding import Finding, Kind
from assay.datasets.audit.parts import Parts
from assay.datasets.audit.shortcuts import Alone
from assay.datasets.audit.table import AuditTable
from assay.datasets.audit.words import TellingWord
from assay.metrics.intervals import wilson

MODEL_EXCESS = 0.05
MODEL_LOW = 0.65
_EVEN = 0.5
_BUDGET = 200  # labels to begin with
_SLICES: dict[Kind, str] = {"length": "length", "position": "turns"}
_COUNTER = "collect or write examples that break the link, so that the label varies while this stays the same"
_TITLES: dict[Kind, str] = {
    "length": "How long a text is tells by itself whether it is “{label}” ({feature})",
    "position": "The place in a conversation tells by itself whether it is “{label}” ({feature})",
    "source": "Where a text comes from tells by itself whether it is “{label}” ({feature})",
    "template": "The mould a text was cast in tells by itself whether it is “{label}” ({feature})",
    "punctuation": "Formatting and signs tell by themselves whether a text is “{label}” ({feature})",
    "language": "The language of a text tells by itself whether it is “{label}” ({feature})",
}
_ADVICE: dict[Kind, str] = {
    "length": "Balance the lengths: add short examples of the label that is long now, and long ones of the other.",
    "position": "Collect both labels among single answers and among conversations, or judge them by two criteria.",
    "source": "A source brings mostly one label. Collect the other label from the same source, or drop the source.",
    "template": f"Rows were made from templates that give the label away: {_COUNTER}.",
    "punctuation": f"Formatting gives the label away: {_COUNTER}, or clean the texts before they are imported.",
    "language": "Collect both labels in each language, or train and report a judge for each.",
}


def shortcuts(alone: Sequence[Alone], name: str) -> list[Finding]:
    """One finding a kind: the most telling feature speaks for its relatives; each source key for itself."""
    found: dict[tuple[Kind, str], Alone] = {}
    for one in alone:
        if one.alarming:
            found.setdefault((one.kind, one.feature if one.kind == "source" else ""), one)
    return [
        Finding(
            kind=one.kind,
            title=_TITLES[one.kind].format(feature=one.feature, label=one.label),
            harm=one.harm,
            why=f"{_told(one)} {_pointing(one)} It fails where the link does not hold.",
            advice=_ADVICE.get(one.kind, ""),
            command=_mend(one, name),
            estimate=one.auroc,
        )
        for one in found.values()
    ]


def _mend(one: Alone, name: str) -> str:
    """Label on both sides of the link; where nothing can be drawn by it, see whether the judge follows it."""
    draw = f"assay data next --criterion {name} --budget {_BUDGET}"
    if one.feature == "label source":
        return draw
    key = one.feature.removeprefix("meta.") if one.kind == "source" else _SLICES.get(one.kind)
    if key is None:
        return f"assay probe {name}@candidate --rows 500"
    return f"{draw} --by coverage --slice {shlex.quote(key)}"


def _told(one: Alone) -> str:
    pairs = f"rank {one.auroc.value:.0%} of pairs rightly (50 % is chance)"
    if one.kind == "source":
        return f"Who knows nothing else would {pairs}. A judge is not shown it, but can learn how such texts look."
    return f"A judge that looks at nothing else would {pairs}, and it will learn this first."


def _pointing(one: Alone) -> str:
    return (
        f"Its strongest value is {one.direction}."
        if one.categorical
        else f"{one.direction.capitalize()} of it goes with “{one.label}”."
    )


def phrases(words: Sequence[TellingWord], name: str) -> list[Finding]:
    """The most telling phrase, with the others."""
    alarming = [word for word in words if word.alarming]
    if not alarming:
        return []
    best = alarming[0]
    others = ", ".join(f"“{word.ngram}”" for word in alarming[1:6])
    return [
        Finding(
            kind="phrase",
            title=f"The words “{best.ngram}” alone tell whether it is “{best.label}”",
            harm=best.harm,
            why=f"{best.share:.0%} of the {best.rows:,} rows with them are “{best.label}”, against {best.base:.0%} "
            "of all. "
            "If they are part of what is asked, fine; if not, the judge learns them instead."
            + (f" Further: {others}." if others else ""),
            advice=f"If they are an accident of the collection (a signature, a tag, a boilerplate): {_COUNTER}, or "
            "remove "
            "them before the import.",
            command=f"assay probe {name}@candidate --remove {shlex.quote(best.ngram)}",
            estimate=best.auroc,
            rows=best.rows,
        )
    ]


def together(parts: Parts, name: str) -> list[Finding]:
    """All features together, only for what they add to the best single one."""
    found = []
    for label, auroc in parts.model.items():
        singles = [one.auroc.value for one in parts.alone if one.label == label and one.alarming]
        excess = auroc.value - max(singles, default=0.5)
        if auroc.low < MODEL_LOW or excess < MODEL_EXCESS:
            continue
        found.append(
            Finding(
                kind="features-model",
                title=f"Length, punctuation, source and the like together tell whether a text is “{label}”",
                harm=min(2 * excess, 2 * auroc.value - 1),
                why=f"A model that reads no word of the content ranks {auroc.value:.0%} of pairs rightly. A judge "
                "has to beat "
                "that, or it has learned the form and not the content.",
                advice="Compare the judge with this number on its card; balance the features that tell most "
                "(table below).",
                command=f"assay evaluate {name}@candidate",
                estimate=auroc,
            )
        )
    return found


def sides(table: AuditTable, name: str) -> list[Finding]:
    """A pairwise scale whose first side wins more often than chance."""
    if table.criterion.scale.kind != "pairwise" or not table.longer.any():
        return []
    first, second = (int((table.codes == code).sum()) for code in (0, 1))
    share = wilson(first, first + second) if first + second else None
    if share is None or share.low <= _EVEN <= share.high:
        return []
    return [
        Finding(
            kind="position",
            title=f"“{table.criterion.labels[0]}” wins {share.value:.0%} of the pairs",
            harm=2 * abs(share.value - _EVEN),
            why="A judge learns to prefer a side. Both sides should win equally often when pairs come in a random "
            "order.",
            advice="Swap the sides of a random half of the pairs (and their labels) before the import.",
            command=f"assay data import FILE --criterion {name}",
            estimate=share,
            rows=first + second,
        )
    ]
