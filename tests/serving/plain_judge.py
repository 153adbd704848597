"""A small judge whose answer is a function of the text, as slow as told; run as a program it judges a file.

`python plain_judge.py IN OUT DELAY_S WINDOW_ROWS [FORMAT_IN]`, `-` being standard input and output: what the tests of
kills and of streams start.
"""

import hashlib
import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.schema.criterion import Criterion, Level, Scale
from assay.schema.example import Example, field_text
from assay.schema.verdict import Abstained, Decided, Failed, Verdict
from assay.serving.batch import BatchSettings, judge_file, part_files

SCALE = Scale(kind="binary", levels=(Level(label="yes"), Level(label="no")), positive="yes")
CRITERION = Criterion(name="plain", version="1", question="?", reads=("input", "output"), scale=SCALE)
ROWS: list[dict[str, Any]] = [
    {"id": f"r{number}", "input": f"Question {number}?", "output": f"Answer {number}, ünïcode", "label": "no"}
    for number in range(10)
]


@dataclass(frozen=True, kw_only=True)
class PlainJudge:
    """`fail` in the text fails, `unsure` abstains; else the digest of the text decides."""

    id: str = "plain-00000001"
    criterion: Criterion = CRITERION
    delay_s: float = 0.0

    def judge_many(self, examples: Iterable[Example], on_batch: object = None) -> Iterator[Verdict]:
        return map(self._verdict, examples)

    def _verdict(self, example: Example) -> Verdict:
        if self.delay_s:
            time.sleep(self.delay_s)
        text = field_text(example.output)
        if "fail" in text:
            return Failed(reason="it was told to", action="allow-and-flag", judge=self.id)
        yes = hashlib.sha256(text.encode()).digest()[0] / 255
        both = {"yes": yes, "no": 1 - yes}
        if "unsure" in text:
            return Abstained(reason="unsure", probabilities=both, scores=both, judge=self.id, latency_ms=1.0)
        label = "yes" if yes >= 0.5 else "no"
        return Decided(
            label=label,
            probability=both[label],
            probabilities=both,
            scores=both,
            judge=self.id,
            latency_ms=1.0,
            truncated_tokens=3 if "long" in text else 0,
        )


def do_nothing(descriptor: int) -> None:
    """Instead of syncing, which guards against power cuts; what a killed process has written stays written."""


def main() -> None:
    source, output, delay_s, window_rows, *format_in = sys.argv[1:]
    part_files.COMMIT_EVERY_S = 0.0  # so that a kill can fall between any two steps of a commit
    os.fsync = do_nothing
    judge = PlainJudge(delay_s=float(delay_s))
    settings = BatchSettings(window_rows=int(window_rows), format_in=format_in[0] if format_in else None)
    judge_file(judge, _path(source), _path(output), settings)


def _path(text: str) -> Path | None:
    return None if text == "-" else Path(text)


if __name__ == "__main__":
    main()
