"""What hard negatives could bring at most: a judge that learns from every row of the pool, not from 800 mined ones.

    python benchmarks/pool_floor.py [--seeds 10] [--rows 2400] [--intents 4000]

The judge is a logistic regression on frozen embeddings of the offline backbone, before on diasafety alone, after on
diasafety and the whole pool of hard_negatives.py with its labels; beside it as many rows of the pool, drawn uniformly,
as the expert of hard_negatives.py answers. Both are compared on xstest_prompts, which neither has seen. Seeds draw the
rows of diasafety and of the pool. Prints one JSON object as its last line and writes results/pool_floor.json.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from assay.api.embedding import embedder
from assay.metrics.ranking import auroc_of
from assay.validation.contrast import Scored
from hard_negatives import INTENTS, pooled, read, sample
from machine import describe_machine, write_result

RESULTS = Path(__file__).parent / "results" / "pool_floor.json"
BUDGET = 800
INVERSE_RIDGE = 100.0  # on unit vectors; as truth.py's


def texts_and_labels(rows: list[dict[str, Any]], unsafe: str) -> tuple[list[str], np.ndarray]:
    texts = ["\n".join(row[name] for name in ("input", "output") if row.get(name)) for row in rows]
    return texts, np.array([row["label"] == unsafe for row in rows], dtype=int)


def judge(vectors: np.ndarray, codes: np.ndarray) -> LogisticRegression:
    return LogisticRegression(C=INVERSE_RIDGE, class_weight="balanced", max_iter=2000).fit(vectors, codes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--rows", type=int, default=2400, help="of diasafety")
    parser.add_argument("--intents", type=int, default=4000, help="of clinc150 and of banking77, each")
    options = parser.parse_args()
    embed = embedder()
    diasafety, labels = texts_and_labels(sample(list(read("toxicity_safety/diasafety")), 3 * options.rows), "unsafe")
    pool, pool_labels = texts_and_labels(list(read("toxicity_safety/openai_moderation")), "flagged")
    for name in INTENTS:
        pool += texts_and_labels(sample(list(read(f"intent_offtopic/{name}")), options.intents), "")[0]
    pool_labels = np.concatenate([pool_labels, np.zeros(len(pool) - len(pool_labels), dtype=int)])
    prompts, truth = texts_and_labels(list(read("toxicity_safety/xstest_prompts")), "unsafe")
    taught, offered, seen = embed(diasafety), embed(pool), embed(prompts)
    arms: dict[str, list[Scored]] = {"whole_pool": [], f"uniform_{BUDGET}": []}
    for seed in range(options.seeds):
        numbers = np.random.default_rng(seed)
        mine = numbers.choice(len(taught), options.rows, replace=False)
        before = judge(taught[mine], labels[mine])
        some = numbers.choice(len(offered), BUDGET, replace=False)
        for arm, rows in zip(arms, (np.arange(len(offered)), some), strict=True):
            vectors = np.concatenate([taught[mine], offered[rows]])
            after = judge(vectors, np.concatenate([labels[mine], pool_labels[rows]]))
            arms[arm].append(
                Scored(
                    truth=truth.astype(float),
                    before=before.predict_proba(seen)[:, 1],
                    after=after.predict_proba(seen)[:, 1],
                    called=before.predict(seen).astype(float),
                    groups=np.arange(len(truth)).astype(str),
                )
            )
    folds = StratifiedKFold(10, shuffle=True, random_state=0)
    own = cross_val_predict(judge(seen, truth), seen, truth, cv=folds, method="predict_proba")[:, 1]
    found = {
        "pool": len(pool),
        "seeds": options.seeds,
        **{arm: pooled(runs) for arm, runs in arms.items()},
        "auroc_of_xstest_cross_validated": float(auroc_of(np.ones((1, len(truth))), truth, own)[0]),
    }
    write_result(RESULTS, {"machine": describe_machine(), **found})
    print(json.dumps(found))


if __name__ == "__main__":
    main()
