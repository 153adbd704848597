"""Training and file judging against a plain fp32 loop, in one run on the same rows.

The plain loop is what one writes first: shuffled rows as they come, batches of 16 padded to their longest, at most 256
tokens, fp32, the same backbone and epochs, every weight trained. Both trainings end with F1 on the same
test rows. Judging goes file to file: Assay's `judge_file` against a loop that reads JSON lines, tokenises, scores
batches of 16 and writes JSON lines.

Prints one JSON object as its last line: `train_vs_padded`, `judge_vs_padded` (ratios of rows/s), and what they are
made of.

    python benchmarks/throughput.py [--set surge_toxicity] [--judge-rows 4000] [--out FILE]
"""

import argparse
import gzip
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import f1_score
from torch import nn
from transformers import AutoModel, AutoTokenizer

from assay.api import Workspace
from assay.datasets.frozen_rows import load_rows, rows_of
from assay.models.backbone import find_backbone
from assay.schema.dataset import FrozenRow
from assay.serving.batch import BatchSettings, judge_file
from assay.store.blobs import Blobs
from commands import assay
from machine import describe_machine, write_result
from real_sets import SETS, BenchmarkSet

BATCH = 16
MAX_TOKENS = 256
PLAIN_RATES = (1e-4, 1e-3)  # backbone, head: usual for full fine-tuning of a small encoder


class PlainModel(nn.Module):
    """Mean of the token states and a linear layer, in fp32."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.body = AutoModel.from_pretrained(folder)
        self.head = nn.Linear(self.body.config.hidden_size, 2)

    def forward(self, batch: Any) -> torch.Tensor:
        states = self.body(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
        mask = batch["attention_mask"].unsqueeze(-1)
        return self.head((states * mask).sum(1) / mask.sum(1))


def plain_batch(tokenizer: Any, texts: list[str]) -> Any:
    return tokenizer(texts, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")


def plain_training(folder: Path, texts: list[str], labels: list[int], epochs: int) -> tuple[PlainModel, Any, float]:
    """The plain loop: the trained model, its tokenizer, and rows/s."""
    torch.manual_seed(0)
    tokenizer, model = AutoTokenizer.from_pretrained(folder), PlainModel(folder)
    groups = [
        {"params": part.parameters(), "lr": rate}
        for part, rate in zip((model.body, model.head), PLAIN_RATES, strict=True)
    ]
    optimizer = torch.optim.AdamW(groups)
    started = time.perf_counter()
    model.train()
    for _ in range(epochs):
        order = torch.randperm(len(texts)).tolist()
        for first in range(0, len(texts), BATCH):
            places = order[first : first + BATCH]
            batch = plain_batch(tokenizer, [texts[place] for place in places])
            loss = nn.functional.cross_entropy(model(batch), torch.tensor([labels[place] for place in places]))
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    return model.eval(), tokenizer, epochs * len(texts) / (time.perf_counter() - started)


@torch.inference_mode()
def plain_judging(model: PlainModel, tokenizer: Any, source: Path, destination: Path) -> None:
    """Read, score and write in arrival order."""
    with source.open() as rows, destination.open("w") as out:
        pending: list[dict[str, Any]] = []

        def flush() -> None:
            logits = model(plain_batch(tokenizer, [row["input"] for row in pending]))
            for row, probabilities in zip(pending, logits.softmax(-1).tolist(), strict=True):
                out.write(json.dumps({**row, "verdict": probabilities}) + "\n")
            pending.clear()

        for line in rows:
            pending.append(json.loads(line))
            if len(pending) == BATCH:
                flush()
        if pending:
            flush()


@torch.inference_mode()
def plain_f1(model: PlainModel, tokenizer: Any, texts: list[str], labels: list[int]) -> float:
    logits = [model(plain_batch(tokenizer, texts[first : first + BATCH])) for first in range(0, len(texts), BATCH)]
    return float(f1_score(labels, torch.cat(logits).argmax(-1).numpy()))


def rows_per_s(rows: int, work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return rows / (time.perf_counter() - started)


def texts_and_labels(rows: list[FrozenRow], positive: str) -> tuple[list[str], list[int]]:
    return [str(row.example.input) for row in rows], [int(row.target.value == positive) for row in rows]


def judge_rows(count: int, folder: Path) -> Path:
    """A file of texts from all sets, in their own order, one set's row after another's."""
    texts: list[str] = []
    for one in SETS:
        with gzip.open(one.file, "rt", encoding="utf-8") as rows:
            texts += [json.loads(row)["input"] for row in rows]
    order = np.random.default_rng(0).permutation(len(texts))[:count]
    path = folder / "texts.jsonl"
    path.write_text("".join(json.dumps({"id": str(place), "input": texts[place]}) + "\n" for place in order))
    return path


def measure(one: BenchmarkSet, folder: Path, count: int) -> dict[str, Any]:
    """Both trainings and both judgings, one after the other."""
    workspace = folder / "workspace"
    waiver = ("--accept-labels", one.label_source, "--min-test-per-class", "50")
    assay(folder, "init", str(workspace), "--criterion", one.name)
    (workspace / "criteria" / f"{one.name}.toml").write_text(one.criterion_toml())
    assay(workspace, "data", "import", str(one.file), "--criterion", one.name, "--label-source", one.label_source)
    assay(workspace, "data", "freeze", one.name, *waiver)
    with Workspace.open(workspace) as here:
        trained = here.train(one.name)
        evaluation = here.evaluate(trained.id)
        judge = here.load(trained.id).running
        rows = load_rows(Blobs(here.settings.blobs), here.newest_dataset(one.name))
    train, test = (texts_and_labels(rows_of(rows, split), one.positive) for split in ("train", "test"))
    epochs = len(trained.fit.epochs)
    plain, tokenizer, plain_train = plain_training(find_backbone("minilm").folder, *train, epochs)
    source = judge_rows(count, folder)
    ours = rows_per_s(count, lambda: judge_file(judge, source, folder / "ours.jsonl", BatchSettings()))
    theirs = rows_per_s(count, lambda: plain_judging(plain, tokenizer, source, folder / "plain.jsonl"))
    return {
        "train_vs_padded": trained.fit.rows_per_s / plain_train,
        "judge_vs_padded": ours / theirs,
        "train_rows_per_s": trained.fit.rows_per_s,
        "plain_train_rows_per_s": plain_train,
        "judge_rows_per_s": ours,
        "plain_judge_rows_per_s": theirs,
        "f1": evaluation.report.measures["f1"].to_dict(),
        "plain_f1": plain_f1(plain, tokenizer, *test),
        "epochs": epochs,
        "train_rows": len(train[0]),
        "judged_rows": count,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", default="surge_toxicity", choices=[one.name for one in SETS])
    parser.add_argument("--judge-rows", type=int, default=4000)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "throughput.json")
    options = parser.parse_args()
    chosen = next(one for one in SETS if one.name == options.set)
    machine = describe_machine()
    with tempfile.TemporaryDirectory() as folder:
        results = {"set": chosen.name, **measure(chosen, Path(folder), options.judge_rows)}
    write_result(options.out, {"machine": machine, **results})
    print(json.dumps(results))


if __name__ == "__main__":
    main()
