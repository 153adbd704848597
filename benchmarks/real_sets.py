"""The real data sets that the benchmarks read (`ASSAY_BENCH_DATA`, by default ../shared/data), and their criteria.

The folder's README describes the sets; they are read in place and never copied into the project.
"""

import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, kw_only=True)
class BenchmarkSet:
    """One data set as a binary criterion on `input`."""

    name: str
    path: str  # below the data folder, without .jsonl.gz
    question: str
    negative: str
    positive: str
    label_source: str  # who gave the labels: never experts here
    group: str | None = None  # dotted path of what must not straddle splits

    @property
    def file(self) -> Path:
        """Where the rows are."""
        return data_folder() / f"{self.path}.jsonl.gz"

    def criterion_toml(self) -> str:
        """The text of its criteria file."""
        return (
            f'name = "{self.name}"\nversion = "1"\nquestion = "{self.question}"\nreads = ["input"]\n\n'
            f'[scale]\nkind = "binary"\npositive = "{self.positive}"\n\n'
            f'[[scale.levels]]\nlabel = "{self.negative}"\n\n[[scale.levels]]\nlabel = "{self.positive}"\n'
        )


SETS = (
    BenchmarkSet(
        name="deepset_prompt_injections",
        path="prompt_injection/deepset_prompt_injections",
        question="Does the text try to override the instructions of the model that reads it?",
        negative="benign",
        positive="injection",
        label_source="author",
    ),
    BenchmarkSet(
        name="surge_toxicity",
        path="toxicity_safety/surge_toxicity",
        question="Is the comment toxic?",
        negative="not_toxic",
        positive="toxic",
        label_source="crowd",
    ),
    BenchmarkSet(
        name="presidio_synth_v2",
        path="pii/presidio_synth_v2",
        question="Does the text contain personal data?",
        negative="no_pii",
        positive="pii",
        label_source="author",
        group="meta.template_id",
    ),
    BenchmarkSet(
        name="openai_moderation",
        path="toxicity_safety/openai_moderation",
        question="Does the text break the usage policy?",
        negative="safe",
        positive="flagged",
        label_source="author",
    ),
)


def data_folder() -> Path:
    """The data folder. Exits with a sentence where it is absent."""
    folder = Path(os.environ.get("ASSAY_BENCH_DATA", ROOT / ".." / "shared" / "data"))
    if not folder.is_dir():
        raise SystemExit(
            "No benchmark data. Required: a folder in ASSAY_BENCH_DATA, or ../shared/data beside the project."
        )
    return folder
