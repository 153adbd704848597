"""Does drawing by uncertainty need fewer labels than drawing uniformly? On three real sets, over ten seeds.

    python benchmarks/active.py [--seeds 10] [--out FILE]

A quarter of a set is test, the rest the pool. Both ways begin with the same 100 uniform labels and go on to 600.
Uncertainty draws 50 more at a time by the entropy of the model so far, with Assay's own drawing (a quarter of it
uniform). The judge is a logistic regression on the frozen embeddings of the offline backbone: ten seeds of LoRA
trainings at eleven sizes would take a day. Prints one JSON object as its last line and writes results/active.json.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from assay.api.embedding import embedder
from assay.labelling.sampling import draw, inclusion_probabilities
from assay.labelling.scores import Opinion, uncertainty
from machine import describe_machine, write_result
from truth_sets import read_set

SETS = ("surge_toxicity", "openai_moderation", "diasafety")
MAX_ROWS = 4_000
START, STEP, FULL, ALLOWED = 100, 50, 600, 400
UNIFORM_SHARE = 0.25
SIZES = tuple(range(START, FULL + 1, STEP))


def one_run(vectors: np.ndarray, codes: np.ndarray, seed: int) -> dict[str, list[float]]:
    """F1 on test at every size, drawn both ways."""
    order = np.random.default_rng(seed).permutation(len(codes))
    held_out = len(order) // 4
    test, pool = order[:held_out], order[held_out:]

    def f1_of(model: LogisticRegression) -> float:
        return float(f1_score(codes[test], model.predict(vectors[test])))

    uniform = [f1_of(fitted(vectors[pool[:size]], codes[pool[:size]])) for size in SIZES]
    chosen, rest = pool[:START], pool[START:]
    active = []
    for size in SIZES:
        model = fitted(vectors[chosen], codes[chosen])
        active.append(f1_of(model))
        if size < FULL:
            doubts = uncertainty([opinion(row) for row in model.predict_proba(vectors[rest])])
            drawn = draw(inclusion_probabilities(doubts, STEP, UNIFORM_SHARE), seed * 1000 + size)
            chosen, rest = np.concatenate([chosen, rest[drawn]]), np.delete(rest, drawn)
    return {"uniform": uniform, "active": active}


def fitted(vectors: np.ndarray, codes: np.ndarray) -> LogisticRegression:
    return LogisticRegression(C=10.0, class_weight="balanced", max_iter=1000).fit(vectors, codes)


def opinion(shares: np.ndarray) -> Opinion:
    return Opinion(label=None, probabilities={str(place): float(share) for place, share in enumerate(shares)})


def summary(runs: list[dict[str, list[float]]]) -> dict[str, Any]:
    """Means by size; the size at which uncertainty's mean reaches what uniform has at 600; paired differences."""
    uniform, active = (np.array([run[way] for run in runs]) for way in ("uniform", "active"))
    goal = uniform[:, -1]
    at_allowed = active[:, SIZES.index(ALLOWED)] - goal
    reached = [size for size, mean in zip(SIZES, active.mean(axis=0), strict=True) if mean >= goal.mean()]
    return {
        "uniform": dict(zip(SIZES, uniform.mean(axis=0).round(4).tolist(), strict=True)),
        "active": dict(zip(SIZES, active.mean(axis=0).round(4).tolist(), strict=True)),
        "labels_for_600": reached[0] if reached else None,
        "active_400_minus_uniform_600": interval(at_allowed),
        "active_400_minus_uniform_400": interval(active[:, SIZES.index(ALLOWED)] - uniform[:, SIZES.index(ALLOWED)]),
    }


def interval(values: np.ndarray) -> dict[str, float]:
    """Mean over the seeds with its 95 % t interval (splits overlap: it is somewhat too narrow)."""
    mean, error = float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))
    reach = float(student.ppf(0.975, len(values) - 1)) * error
    return {"value": round(mean, 4), "low": round(mean - reach, 4), "high": round(mean + reach, 4)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "active.json")
    options = parser.parse_args()
    embed = embedder()
    sets = {}
    for name in SETS:
        rows = read_set(name, limit=MAX_ROWS)
        vectors = embed(rows.texts)
        sets[name] = summary([one_run(vectors, rows.codes, seed) for seed in range(options.seeds)])
        print(name, json.dumps(sets[name]), flush=True)
    needed = {name: found["labels_for_600"] for name, found in sets.items()}
    values = {
        "active_labels_for_600": needed,
        "sets_with_400_or_fewer": sum(size is not None and size <= ALLOWED for size in needed.values()),
    }
    write_result(options.out, {"machine": describe_machine(), "sets": sets, "figures": values})
    print(json.dumps(values))


if __name__ == "__main__":
    main()
