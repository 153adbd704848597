"""Counterfactual probes: does a judge change its mind over what should not matter.

`probe(judge, rows)` judges each example as it is and again after changes that leave its meaning alone (padding, letter
case, spelling out contractions, other words beside what is judged, the order of a pair or of the passages of a
context), and counts flips with intervals. A truncation may take away what decided; its flips are shown but not held
against the judge.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from assay.judging.judge import Judge
from assay.metrics.intervals import Estimate, wilson
from assay.metrics.resampling import Resampling, bootstrap, weighted_mean
from assay.schema.criterion import Criterion
from assay.schema.errors import InputError, shown
from assay.schema.example import Example
from assay.schema.trace import Turn
from assay.schema.verdict import Abstained, Decided, Failed, Verdict
from assay.validation.rewording import reworded, spelled_out

Change = Callable[[str], str]
_PADDING_BEFORE = "Please find the text below. "
_PADDING_AFTER = " Thank you for reading. That is all for now."
_KEPT = 0.8
_ALLOWED_FLIPS = 0.05
_SHOWN = 5
_PASSAGE = re.compile(r"\n\s*\n")
_JUDGED = ("output", "input", "context")  # the first that the criterion reads, after the sides of a pair
_BESIDE = ("input", "context", "reference")
UNDECIDED = "undecided"


@dataclass(frozen=True, kw_only=True)
class Probe:
    """A change, made to the judged text by `change`, or with `beside` to the text around it (question, context, earlier
    turns), or to the example as a whole. `harmless`: it must not change the answer; `mirrors`: the answers for the two
    sides change places.
    """

    name: str
    what: str
    change: Change | None = None
    beside: bool = False
    harmless: bool = True
    mirrors: bool = False


@dataclass(frozen=True, kw_only=True)
class Flip:
    """One example whose answer changed: a label, or `undecided` where the judge abstained."""

    example: str
    before: str
    after: str
    label: str  # the one it had, or leaned to
    shift: float  # of that label's probability


@dataclass(frozen=True, kw_only=True)
class Probed:
    """What a probe did. `changed` counts the examples whose text it changed; `flips` is the share of these whose answer
    flipped, None where it changed none; `directions` "a → b" → examples; `mean_shift` of its probability.
    """

    probe: str
    what: str
    harmless: bool
    changed: int
    flips: Estimate | None
    directions: Mapping[str, int]
    mean_shift: float
    worst: tuple[Flip, ...]

    @property
    def troubling(self) -> bool:
        """A harmless change that surely flips more than 5 % of the answers."""
        return self.harmless and self.flips is not None and self.flips.low > _ALLOWED_FLIPS


def probe(
    judge: Judge,
    examples: Sequence[Example],
    *,
    names: Sequence[str] | None = None,
    remove: Sequence[str] = (),
    on_batch: Callable[[int], None] | None = None,
) -> list[Probed]:
    """Run probes on examples; `names` picks some, `remove` adds one that takes a phrase out of every text.

    An answer is a label or `undecided`: a judge that abstains after a change has changed its answer. Examples that it
    fails on are not counted. Flip rates are Wilson's, or a bootstrap over groups where examples share one. Raises
    InputError (no examples, an unknown probe).
    """
    if not examples:
        raise InputError("A judge is probed on examples.", required="one example or more", got="none")
    chosen = [*_chosen(names), *(_removal(phrase) for phrase in remove)]
    before = list(judge.judge_many(examples, on_batch))
    found = []
    for one in chosen:
        changed = [
            (place, new) for place, example in enumerate(examples) if (new := changed_by(one, example, judge.criterion))
        ]
        after = judge.judge_many([new for _, new in changed], on_batch)
        pairs = [(examples[place], before[place], verdict) for (place, _), verdict in zip(changed, after, strict=True)]
        found.append(_measured(one, pairs, judge.criterion))
    return found


def changed_by(one: Probe, example: Example, criterion: Criterion) -> Example | None:
    """The example after a change; None where it makes none. `repeat` counts as one."""
    values: dict[str, Any] = {}
    if one.mirrors:
        values = {"output_a": example.output_b, "output_b": example.output_a}
        if example.output_a is None or example.output_a == example.output_b:
            return None
    elif one.name == "passages":
        context = example.context
        if not isinstance(context, str) or "context" not in criterion.reads:
            return None
        values = {"context": "\n\n".join(reversed(_PASSAGE.split(context)))}
    elif one.change is not None and one.beside:
        values = _beside(example, criterion, one.change)
    elif one.change is not None:
        field = _judged_text(example, criterion)
        if field is None:
            return None
        values = {field: one.change(getattr(example, field))}
    new = replace(example, **values) if values else example
    same = all(getattr(new, name) == getattr(example, name) for name in criterion.reads)
    return None if (same and one.name != "repeat") or not new.text(criterion.reads).strip() else new


def _judged_text(example: Example, criterion: Criterion) -> str | None:
    """The field that is judged: the last text that the criterion reads (the answer after the question)."""
    fields = [name for name in _JUDGED if name in criterion.reads]
    return next((name for name in fields if isinstance(getattr(example, name), str)), None)


def _beside(example: Example, criterion: Criterion, change: Change) -> dict[str, Any]:
    """What stands beside the judged text, changed: the earlier turns, and the other fields that the criterion reads."""
    judged = None if "output_a" in criterion.reads else _judged_text(example, criterion)
    texts = {name: getattr(example, name) for name in _BESIDE if name in criterion.reads and name != judged}
    changed: dict[str, Any] = {name: change(text) for name, text in texts.items() if isinstance(text, str)}
    if "turns" in criterion.reads:
        changed["turns"] = tuple(_turn(turn, change) for turn in example.turns)
    return changed


def _turn(turn: Turn, change: Change) -> Turn:
    return replace(turn, content=change(turn.content)) if isinstance(turn.content, str) else turn


def _chosen(names: Sequence[str] | None) -> list[Probe]:
    known = {one.name: one for one in PROBES}
    for name in names or ():
        if name not in known:
            raise InputError("There is no such probe.", required=f"one of {', '.join(known)}", got=shown(name))
    return [known[name] for name in names] if names else list(PROBES)


def _removal(phrase: str) -> Probe:
    pattern = re.compile(re.escape(phrase), re.IGNORECASE)
    return Probe(
        name=f"remove {shown(phrase, 40)}", what="without these words", change=lambda text: pattern.sub("", text)
    )


def _measured(one: Probe, pairs: list[tuple[Example, Verdict, Verdict]], criterion: Criterion) -> Probed:
    judged = [(e, b, a) for e, b, a in pairs if not isinstance(b, Failed) and not isinstance(a, Failed)]
    mirror = _mirror(criterion) if one.mirrors else {}
    flips = [_flip(example, before, after, mirror) for example, before, after in judged]
    flipped = np.array([flip.after != mirror.get(flip.before, flip.before) for flip in flips], dtype=float)
    turned = [flip for flip, is_flip in zip(flips, flipped, strict=True) if is_flip]
    return Probed(
        probe=one.name,
        what=one.what,
        harmless=one.harmless,
        changed=len(judged),
        flips=_rate(flipped, [example.group or example.id for example, _, _ in judged]) if flips else None,
        directions=dict(Counter(f"{flip.before} → {flip.after}" for flip in turned).most_common()),
        mean_shift=float(np.mean([flip.shift for flip in flips])) if flips else 0.0,
        worst=tuple(sorted(turned, key=lambda flip: flip.shift)[:_SHOWN]),
    )


def _flip(example: Example, before: Decided | Abstained, after: Decided | Abstained, mirror: Mapping[str, str]) -> Flip:
    answers = [one.label if isinstance(one, Decided) else UNDECIDED for one in (before, after)]
    label = (
        before.label if isinstance(before, Decided) else max(before.probabilities, key=before.probabilities.__getitem__)
    )
    shift = after.probabilities[mirror.get(label, label)] - before.probabilities[label]
    return Flip(example=example.id, before=answers[0], after=answers[1], label=label, shift=shift)


def _rate(flipped: np.ndarray, groups: list[str]) -> Estimate:
    if len(set(groups)) == len(groups):
        return wilson(float(flipped.sum()), len(flipped))
    return bootstrap(weighted_mean, [flipped], Resampling(groups=groups), units=len(flipped))


def _mirror(criterion: Criterion) -> dict[str, str]:
    """The first two answers of a pairwise scale stand for its sides; others (a tie) stay."""
    first, second = criterion.labels[:2]
    return {first: second, second: first}


def _cut(text: str) -> str:
    words = text.split(" ")
    return " ".join(words[: max(1, round(len(words) * _KEPT))])


PROBES: tuple[Probe, ...] = (
    Probe(name="repeat", what="the same text once more", change=lambda text: text),
    Probe(name="padding-before", what="a polite sentence in front", change=lambda text: _PADDING_BEFORE + text),
    Probe(name="padding-after", what="two empty sentences behind", change=lambda text: text + _PADDING_AFTER),
    Probe(name="white-space", what="line breaks and blanks around", change=lambda text: f"\n\n  {text}  \n"),
    Probe(name="lower-case", what="all in small letters", change=str.lower),
    Probe(name="upper-case", what="all in capitals", change=str.upper),
    Probe(name="last-stop", what="without the last full stop", change=lambda text: text.rstrip().rstrip(".")),
    Probe(name="spelling-out", what="contractions spelled out, plain quotes and dashes", change=spelled_out),
    Probe(
        name="paraphrase", what="other words around it: in the question, context, turns", change=reworded, beside=True
    ),
    Probe(name="passages", what="the passages of the context in reverse order"),
    Probe(name="swap", what="the two sides of a pair exchanged", mirrors=True),
    Probe(name="truncation", what="without its last fifth", change=_cut, harmless=False),
)
