"""What a server is held against before it speaks for a decoder: fixed texts, and the scores that the judge gives them.

The texts are Assay's own, never a user's: a judge's folder is copied to other machines.
"""

from pathlib import Path

from assay.inference.vllm.probes import Probes, write_probes
from assay.judging.slm import SmallJudge
from assay.models.tokens import Tokens
from assay.schema.criterion import Criterion
from assay.schema.example import Example
from assay.schema.trace import Turn
from assay.schema.verdict import Failed

_TEXTS = (
    "The opening hours are nine to five, Monday to Friday.",
    "I cannot help with that, but here is what you could try instead: restart the device and wait for a minute.",
    "Yes.",
)
_DECIMALS = 6


def add_probes(judge: SmallJudge, tokens: Tokens, folder: Path) -> None:
    """Write a decoder's probes into its folder; an encoder, which no such server runs, gets none."""
    if judge.version.family == "encoder":
        return
    examples = [_example(judge.criterion, text) for text in _TEXTS]
    verdicts = list(judge.judge_many(examples))
    labels = judge.criterion.labels
    scores = [[verdict.scores[label] for label in labels] for verdict in verdicts if not isinstance(verdict, Failed)]
    if len(scores) < len(examples):
        return  # the fixed part of the prompt leaves no room for a text
    probes = Probes(
        rows=tuple(row.ids for row in tokens.rows(examples)),
        scores=tuple(tuple(round(score, _DECIMALS) for score in row) for row in scores),
    )
    write_probes(folder, probes)


def _example(criterion: Criterion, text: str) -> Example:
    """The text in every field that the criterion reads."""
    fields = {name: (Turn(role="user", content=text),) if name == "turns" else text for name in criterion.reads}
    return Example(id="probe", **fields)  # type: ignore[arg-type]
