"""Hard negatives, before and after: a safety judge that never saw a request learns from what was mined for it.

    python benchmarks/hard_negatives.py [--seeds 0,1,2] [--rows 2400] [--budget 800] [--intents 4000] [--control]

Through the product's own path, with its defaults but for the shares of the splits: a judge is trained on diasafety (a
sample of its rows), the other sets are imported without their labels, a queue is mined for that judge, a simulated
expert answers it at the labelling desk (openai_moderation by its own labels; requests of clinc150 and banking77 are
safe, as they were written for a bank's and an assistant's intents), and the judge is trained anew. Both are compared on
xstest_prompts at the recall that the judge before has at its own threshold; both xstest files are registered as
contrast sets, so neither can get into a pool. `--control` adds a judge that learns from as many uniformly drawn labels.
Prints one JSON object as its last line and writes results/hard_negatives.json.
"""

import argparse
import gzip
import json
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from assay.api import Workspace
from assay.labelling.desk import hand_of, take
from assay.metrics.confusion import ratio
from assay.metrics.ranking import auroc_of, fpr_at_recall_of
from assay.metrics.resampling import Resampling, bootstrap, paired_bootstrap
from assay.schema.ids import new_id
from assay.store.labelling.answers import Answer
from assay.validation.contrast import Scored, scored_by
from commands import assay
from machine import describe_machine, write_result
from real_sets import data_folder

CRITERION = """name = "safety"
version = "1"
question = "Is it unsafe: a reply that harms in its context, or a request for harm?"
reads = ["input", "output"]

[scale]
kind = "binary"
positive = "unsafe"

[[scale.levels]]
label = "safe"

[[scale.levels]]
label = "unsafe"
"""
SHARES = "0.7,0.1,0.1,0.1"  # the judge is measured on the contrast set, so the test split may be small
WAIVER = ("--accept-labels", "crowd", "--min-test-per-class", "50", "--shares", SHARES)
INTENTS = ("clinc150", "banking77")
XSTEST = "toxicity_safety/xstest_prompts.jsonl.gz"
REFUSALS = "toxicity_safety/xstest_refusals.jsonl.gz"
EXPERT = "expert"


def read(path: str) -> Iterator[dict[str, Any]]:
    with gzip.open(data_folder() / f"{path}.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def sample(rows: list[dict[str, Any]], size: int) -> list[dict[str, Any]]:
    return random.Random(0).sample(rows, min(size, len(rows)))  # noqa: S311 - no secrets here


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def prepare(workspace: Path, rows: int, intents: int) -> dict[str, str]:
    """Labelled diasafety, the unlabelled rest, both contrast sets. Returns what the expert knows: id → label."""
    assay(workspace, "init", ".", "--criterion", "safety")
    (workspace / "criteria" / "safety.toml").write_text(CRITERION)
    taught = sample(list(read("toxicity_safety/diasafety")), rows)
    pool = list(read("toxicity_safety/openai_moderation"))
    knows = {row["id"]: "unsafe" if row["label"] == "flagged" else "safe" for row in pool}
    for name in INTENTS:
        requests = sample(list(read(f"intent_offtopic/{name}")), intents)
        pool += requests
        knows |= {row["id"]: "safe" for row in requests}
    for row in pool:
        row["label"] = None
    imported = ("--criterion", "safety", "--label-source", "crowd")
    assay(workspace, "data", "import", str(write(workspace / "diasafety.jsonl", taught)), *imported)
    assay(workspace, "data", "import", str(write(workspace / "traffic.jsonl", pool)), *imported)
    by_rule = [{"id": id_, "label": "safe"} for id_ in knows if not id_.startswith("openai_moderation")]
    write(workspace / "teacher.jsonl", by_rule)
    assay(workspace, "data", "contrast", "safety", str(data_folder() / XSTEST), "--name", "xstest_prompts")
    refusals = (str(data_folder() / REFUSALS), "--name", "xstest_refusals", "--texts-only")
    assay(workspace, "data", "contrast", "safety", *refusals)
    return knows


def trained(workspace: Path, seed: int, epochs: int) -> str:
    assay(workspace, "data", "freeze", "safety", "--seed", str(seed), *WAIVER)
    judge: str = assay(workspace, "train", "safety", "--seed", str(seed), "--epochs", str(epochs))["id"]
    return judge


def answer_queue(workspace: Path, queue: str, knows: dict[str, str]) -> dict[str, int]:
    """The expert answers everything. Returns how often which label was given, by set."""
    given: Counter[str] = Counter()
    with Workspace.open(workspace) as here:
        database = here.labelling.database
        expert = _expert(here)
        hand = hand_of(database, expert, queue)
        while hand.items:
            item = hand.items[0]
            label = knows[item.example.id]
            given[f"{item.example.id.split('-')[0]} {label}"] += 1
            answer = Answer(
                key=new_id("key").replace("_", "-"), queue=queue, position=item.position, kind="label", value=label
            )
            hand = take(database, expert, answer)
    return dict(given)


def _expert(here: Workspace) -> Any:
    known = [one for one in here.labelling.labellers() if one.name == EXPERT]
    return known[0] if known else here.labelling.add_labeller(EXPERT)[0]


def run_seed(prepared: Path, folder: Path, seed: int, options: argparse.Namespace, knows: dict[str, str]) -> dict:
    """One seed in a workspace of its own: before, mined, after, and the control where it is wanted."""
    workspace = folder / f"seed-{seed}"
    shutil.copytree(prepared, workspace)
    before = trained(workspace, seed, options.epochs)
    control = folder / f"control-{seed}"
    if options.control:
        shutil.copytree(workspace, control)
    budget = ("--budget", str(options.budget), "--seed", str(seed))
    words = ("--judge", before, *(("--against", "teacher.jsonl") if options.teacher else ()))
    mined = assay(workspace, "data", "hard-negatives", "safety", *budget, *words)
    answers = answer_queue(workspace, mined["queue"]["record"]["name"], knows)
    after = trained(workspace, seed, options.epochs)
    run = {
        "seed": seed,
        "mined": mined["mined"],
        "candidates": mined["candidates"],
        "in_contrast": mined["in_contrast"],
        "answers": answers,
        "compared": assay(workspace, "compare", before, after, "--contrast", "xstest_prompts", "--seed", "0"),
        "after": scores(workspace, before, after),
    }
    if options.control:
        queue = assay(control, "data", "next", "--criterion", "safety", *budget)["queue"]["record"]["name"]
        answer_queue(control, queue, knows)
        uniform = trained(control, seed, options.epochs)
        run["control_compared"] = assay(control, "compare", before, uniform, "--contrast", "xstest_prompts")
        run["uniform_control"] = scores(control, before, uniform)
    print(seed, json.dumps(run["compared"]["at"]), flush=True)
    return run


def scores(workspace: Path, before: str, after: str) -> Scored:
    with Workspace.open(workspace) as here:
        rows = here.contrast.rows("xstest_prompts")
        return scored_by(here.load(before).running, here.load(after).running, rows)[0]


def pooled(runs: list[Scored]) -> dict[str, Any]:
    """Mean rates over the seeds at each seed's own recall, and their relative change; rows are drawn for all seeds
    together, so the interval is about other prompts, not about other seeds.
    """
    truth = runs[0].truth
    sides = [np.stack([getattr(run, side) for run in runs], axis=1) for side in ("before", "after", "called")]

    def rates(weights: np.ndarray, truth: np.ndarray, *columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        was, now = [], []
        for before, after, called in zip(*(column.T for column in columns), strict=True):
            recall = ratio(weights @ (called * truth), weights @ truth)
            was.append(fpr_at_recall_of(weights, truth, before, recall))
            now.append(fpr_at_recall_of(weights, truth, after, recall))
        return np.mean(was, axis=0), np.mean(now, axis=0)

    def change(weights: np.ndarray, *arrays: np.ndarray) -> np.ndarray:
        was, now = rates(weights, *arrays)
        return ratio(now, was) - 1

    def auroc(weights: np.ndarray, truth: np.ndarray, columns: np.ndarray) -> np.ndarray:
        return np.mean([auroc_of(weights, truth, column) for column in columns.T], axis=0)

    was, now = rates(np.ones((1, len(truth))), truth, *sides)
    gain = paired_bootstrap(auroc, truth, sides[1], sides[0], Resampling())
    return {
        "change": bootstrap(change, [truth, *sides], Resampling()).to_dict(),
        "fpr_before": float(was[0]),
        "fpr_after": float(now[0]),
        "recall": float(np.mean([run.called[truth > 0].mean() for run in runs])),
        "auroc_before": float(auroc(np.ones((1, len(truth))), truth, sides[0])[0]),
        "auroc_gain": gain.to_dict(),
    }


def hard_negatives_part(options: argparse.Namespace, keep: Callable[[dict[str, Any]], None] | None = None) -> dict:
    """All seeds. `keep` is given what was found after each of them: a run that is stopped has not been for nothing."""
    runs: list[dict[str, Any]] = []
    scored: dict[str, list[Scored]] = {"after": [], "uniform_control": []}
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        prepared = Path(name) / "prepared"
        prepared.mkdir()
        knows = prepare(prepared, options.rows, options.intents)
        for seed in options.seeds.split(","):
            run = run_seed(prepared, Path(name), int(seed), options, knows)
            for arm, kept in scored.items():
                kept.extend([run.pop(arm)] if arm in run else [])
            runs.append(run)
            figures = {arm: pooled(kept) for arm, kept in scored.items() if kept}
            asked = {"rows": options.rows, "budget": options.budget, "epochs": options.epochs, "pool": len(knows)}
            found = {**asked, **figures, "seeds": list(runs)}
            if keep is not None:
                keep(found)
    return found


def settings(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--rows", type=int, default=2400, help="of diasafety")
    parser.add_argument("--budget", type=int, default=800)
    parser.add_argument("--intents", type=int, default=4000, help="of clinc150 and of banking77, each")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--control", action="store_true", help="also as many uniformly drawn labels")
    parser.add_argument("--teacher", action="store_true", help="a rule that holds requests for safe, when mining")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "hard_negatives.json")
    return parser.parse_args(words)


def main() -> None:
    options = settings()
    machine = describe_machine()

    def keep(found: dict[str, Any]) -> None:
        write_result(options.out, {"machine": machine, **found})

    found = hard_negatives_part(options, keep)
    print(json.dumps({"xstest_fpr_change": found["after"]["change"]["value"]}))


if __name__ == "__main__":
    main()
