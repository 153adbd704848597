"""Files that real tools wrote (`tests/data/exchange`), and reading them as an import does."""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from assay.ingest.labelled import Labelled, Reading
from assay.ingest.mapping import FieldMapping
from assay.schema.criterion import Criterion, Level, Scale

FOLDER = Path(__file__).resolve().parents[1] / "data" / "exchange"
sys.path.append(str(FOLDER / "make"))
from replies import GUIDANCE, REPLIES  # noqa: E402 - what the tools were given

QUESTIONS = [question for question, _, _ in REPLIES]
ANSWERS = [answer for _, answer, _ in REPLIES]
GIVEN = [label for _, _, label in REPLIES]
PASSES = {"pass": "no_advice", "fail": "advice"}
EXPERT = FieldMapping(label_source="expert")


def advice(name: str = "advice", **more: Any) -> Criterion:
    """The criterion that the tools' files are about."""
    levels = tuple(Level(label=label, guidance=text) for label, text in GUIDANCE.items())
    scale = Scale(kind="binary", levels=levels, positive="advice")
    given = {"name": name, "version": "1", "question": "Is it investment advice?", "reads": ("input", "output")}
    return Criterion(**{**given, "scale": scale, **more})


@dataclass(frozen=True, kw_only=True)
class Found:
    """What an import would take from a file."""

    rows: list[Labelled]
    reading: Reading

    @property
    def left_out(self) -> dict[str, int]:
        assert self.reading.account is not None
        return dict(self.reading.account.left_out)

    @property
    def reasons(self) -> list[str]:
        return [problem.reason for problem in self.reading.problems]

    def said(self, name: str) -> list[Any]:
        """One field of every example."""
        return [getattr(row.example, name) for row in self.rows]

    def opinions(self) -> list[dict[str, tuple[str, str]]]:
        """Labeller → label and its source, by row."""
        return [{label.labeller: (label.value, label.source) for label in row.labels} for row in self.rows]


def read(
    path: Path | str,
    mapping: FieldMapping = EXPERT,
    *,
    criterion: Criterion | None = None,
    question: str | None = None,
    **more: Any,
) -> Found:
    """Read a file of `FOLDER`, or any other."""
    asked = replace(mapping, question=question)
    reading = Reading(path=FOLDER / path, criterion=criterion or advice(), mapping=asked, **more)
    rows = list(reading)
    return Found(rows=rows, reading=reading)
