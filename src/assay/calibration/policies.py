"""Policy: what a threshold is to achieve, written as one short text.

max-f1                the best F1
precision>=0.95       the highest recall with at least this precision
recall>=0.9           the highest precision with at least this recall
fpr<=0.01             the highest recall with at most this false-positive rate
cost:fp=1,fn=5        the lowest cost of false positives and false negatives
0.5                   this threshold
"""

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from assay.schema.errors import InputError, shown

PolicyKind: TypeAlias = Literal["max-f1", "precision", "recall", "fpr", "cost", "fixed"]
GRAMMAR = "max-f1 | precision>=X | recall>=X | fpr<=X | cost:fp=A,fn=B | X, with X between 0 and 1 and A, B above 0"
_KINDS: dict[str, PolicyKind] = {
    "precision>=": "precision",
    "recall>=": "recall",
    "fpr<=": "fpr",
    "": "fixed",
}
_NUMBER = r"(\d+(?:\.\d*)?|\.\d+)"
_SHARE = re.compile(rf"(precision>=|recall>=|fpr<=|){_NUMBER}")
_COST = re.compile(rf"cost:fp={_NUMBER},fn={_NUMBER}")


@dataclass(frozen=True, kw_only=True)
class Policy:
    """A parsed policy. `bound` is the X of the text (None for max-f1 and cost); costs are per wrong row."""

    kind: PolicyKind
    bound: float | None = None
    cost_fp: float = 1.0
    cost_fn: float = 1.0

    def __str__(self) -> str:
        if self.kind == "cost":
            return f"cost:fp={self.cost_fp:g},fn={self.cost_fn:g}"
        if self.bound is None:
            return self.kind
        sign = {"precision": ">=", "recall": ">=", "fpr": "<="}.get(self.kind)
        return f"{self.kind}{sign}{self.bound:g}" if sign else f"{self.bound:g}"


def parse_policy(text: str) -> Policy:
    """The policy a text stands for; spaces and case do not matter. Raises InputError with the grammar.

    >>> str(parse_policy("Precision >= 0.950"))
    'precision>=0.95'
    """
    compact = re.sub(r"\s+", "", text).lower()
    if compact == "max-f1":
        return Policy(kind="max-f1")
    if match := _COST.fullmatch(compact):
        cost_fp, cost_fn = float(match[1]), float(match[2])
        if cost_fp > 0 and cost_fn > 0:
            return Policy(kind="cost", cost_fp=cost_fp, cost_fn=cost_fn)
    if (match := _SHARE.fullmatch(compact)) and 0 < float(match[2]) < 1:
        return Policy(kind=_KINDS[match[1]], bound=float(match[2]))
    raise InputError("This is not a threshold policy.", required=GRAMMAR, got=shown(text))
