"""What the data side finds: wrong labels, shortcuts, and how long an audit of 100,000 rows takes.

    python benchmarks/truth.py [--parts noise,shortcuts,audit,agreement] [--seeds 10] [--out FILE]

Noise: three quarters of a set are training rows, of which 10 % have their label flipped at random; suspicion is the
audit's, with embeddings of the offline backbone. The judge whose F1 is compared is a logistic regression on the same
frozen embeddings: a LoRA judge of its own for 3 × 3 × 10 trainings would take hours. Shortcuts: ten sets with one
planted each, in nine of ten rows; five sets with permuted labels. Audit: 100,000 rows, drawn from twelve real sets laid
end to end (truth_sets.mixed_rows), labelled by what their own labels name. What takes hours
has scripts of its own, hard_negatives.py and active.py: their figures are read from their results. Prints one JSON
object as its last line and writes results/truth.json; a part that was not run keeps what the file has.
"""

import argparse
import json
import resource
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from assay.api.embedding import embedder
from assay.datasets.agreement_report import agreement_report
from assay.datasets.audit.audit import AuditSettings, audit
from assay.datasets.audit.finding import SHORTCUTS
from assay.datasets.audit.noise import held_out_rounds, suspicions
from assay.datasets.audit.page import About, render_page
from machine import describe_machine, write_result
from truth_sets import MIXED_ROWS, Rows, mixed_rows, permuted, planted_sets, read_set, says_planted, table_of

NOISE = 0.1
NOISE_SETS = ("deepset_prompt_injections", "surge_toxicity", "diasafety")
CLEAN_SETS = ("surge_toxicity", "deepset_prompt_injections", "openai_moderation", "diasafety", "presidio_synth_v2")
INVERSE_RIDGE = 100.0  # on unit vectors; weak, as a fine-tuned judge follows single labels too
RESULTS = Path(__file__).parent / "results"
ELSEWHERE = {
    "xstest_fpr_change": ("hard_negatives", ("after", "change", "value")),
    "active_labels_for_600": ("active", ("figures", "active_labels_for_600")),
}


def noise_part(seeds: int) -> dict[str, Any]:
    embed = embedder()
    found = {}
    for name in NOISE_SETS:
        rows = read_set(name)
        vectors = embed(rows.texts)
        runs = [one_noise_run(rows, vectors, seed) for seed in range(seeds)]
        cost = interval([run["clean"] - run["noisy"] for run in runs])
        gain = interval([run["cleaned"] - run["noisy"] for run in runs])
        counted = cost["low"] > 0
        found[name] = {
            "rows": len(rows.texts),
            "found_share": interval([run["found"] for run in runs]),
            "f1": {part: statistics.fmean(run[part] for run in runs) for part in ("clean", "noisy", "cleaned")},
            "cost": cost,
            "recovered": gain,
            "recovered_share": gain["value"] / cost["value"] if counted else None,
            "why_not": None if counted else "the interval of what the noise cost holds 0",
        }
        print(name, json.dumps(found[name]), flush=True)
    return found


def one_noise_run(rows: Rows, vectors: np.ndarray, seed: int) -> dict[str, float]:
    """Flip, suspect, clean; F1 on the quarter that was held out and never flipped."""
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(rows.texts))
    train, test = order[: int(0.75 * len(order))], order[int(0.75 * len(order)) :]
    flipped = np.zeros(len(train), dtype=bool)
    flipped[generator.permutation(len(train))[: round(NOISE * len(train))]] = True
    given = rows.codes[train] ^ flipped
    texts = [rows.texts[row] for row in train]
    _, probabilities = held_out_rounds(texts, given, np.arange(len(train)), 2, lambda _: vectors[train], seed)
    suspicion, _ = suspicions(probabilities, given)
    worst = np.argsort(-suspicion, kind="stable")[: flipped.sum()]
    kept = np.setdiff1d(np.arange(len(train)), worst)
    return {
        "found": float(flipped[worst].mean()),
        "clean": head_f1(vectors[train], rows.codes[train], vectors[test], rows.codes[test]),
        "noisy": head_f1(vectors[train], given, vectors[test], rows.codes[test]),
        "cleaned": head_f1(vectors[train][kept], given[kept], vectors[test], rows.codes[test]),
    }


def head_f1(vectors: np.ndarray, codes: np.ndarray, test_vectors: np.ndarray, test_codes: np.ndarray) -> float:
    model = LogisticRegression(C=INVERSE_RIDGE, class_weight="balanced", max_iter=2000).fit(vectors, codes)
    return float(f1_score(test_codes, model.predict(test_vectors)))


def shortcuts_part() -> dict[str, Any]:
    planted = []
    for name, kind, what, table in planted_sets():
        first = audit(table, AuditSettings(name=name)).findings[0]
        right = first.kind == kind and says_planted(first.title, kind, what)
        planted.append({"set": name, "planted": what, "first": first.kind, "title": first.title, "found": right})
        print(json.dumps(planted[-1]), flush=True)
    clean = []
    for number, name in enumerate(CLEAN_SETS):
        rows = read_set(name, limit=2000)
        kinds = [one.kind for one in audit(table_of(permuted(rows, number))).findings]
        clean.append({"set": name, "alarms": [kind for kind in kinds if kind in (*SHORTCUTS, "features-model")]})
        print(json.dumps(clean[-1]), flush=True)
    return {"planted": planted, "clean": clean}


def audit_part() -> dict[str, Any]:
    table = table_of(mixed_rows(MIXED_ROWS))
    before_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    started = time.perf_counter()
    found = audit(table, AuditSettings(name="mixed"), on_stage=lambda stage: print(stage, flush=True))
    render_page(found, About(name="mixed", audited_at="now"))
    seconds = time.perf_counter() - started
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # before the embedding model is loaded
    embed = embedder()
    sample = [table.texts[place] for place in np.random.default_rng(0).choice(len(table), 1000, replace=False)]
    started = time.perf_counter()
    embed(sample)
    embedding_s = (time.perf_counter() - started) * len(table) / len(sample)
    return {
        "rows": len(table),
        "seconds": round(seconds, 1),
        "by_stage": found.seconds,
        "peak_mib": round(peak_mib),
        "before_mib": round(before_mib),
        "embedding_s_estimated": round(embedding_s),
    }


def agreement_part() -> dict[str, Any]:
    labelled, criterion = read_set("toxic_spans_raters").labelled()
    started = time.perf_counter()
    found = agreement_report(labelled, criterion)
    seconds = time.perf_counter() - started
    return {
        "items": found.examples,
        "labellers": found.labellers,
        "seconds": round(seconds, 2),
        "overall": {name: one.to_dict() for name, one in found.overall.items()},
        "compared_labellers": len(found.quality),
        "clearly_below_the_others": sum(one.suspect for one in found.quality),
    }


def interval(values: list[float]) -> dict[str, float]:
    """Mean over the seeds with its 95 % t interval."""
    mean, n = statistics.fmean(values), len(values)
    reach = float(student.ppf(0.975, n - 1)) * statistics.stdev(values) / n**0.5 if n > 1 else float("inf")
    return {"value": mean, "low": mean - reach, "high": mean + reach}


def figures(parts: dict[str, Any]) -> dict[str, Any]:
    noise, shortcuts, audited = parts.get("noise"), parts.get("shortcuts"), parts.get("audit")
    elsewhere = {name: measured(script, path) for name, (script, path) in ELSEWHERE.items()}
    return {
        "noise_found_share": noise and {name: one["found_share"]["value"] for name, one in noise.items()},
        "noise_f1_recovered_share": noise and {name: one["recovered_share"] for name, one in noise.items()},
        "shortcuts_found": shortcuts and sum(one["found"] for one in shortcuts["planted"]),
        "shortcut_false_alarms": shortcuts and sum(bool(one["alarms"]) for one in shortcuts["clean"]),
        "xstest_fpr_change": elsewhere["xstest_fpr_change"],
        "active_labels_for_600": elsewhere["active_labels_for_600"],
        "audit_100k_s": audited and audited["seconds"],
        "why_null": {name: f"run {ELSEWHERE[name][0]}.py" for name, value in elsewhere.items() if value is None},
    }


def measured(script: str, path: tuple[str, ...]) -> Any:
    """A figure of another script, None where it has no results."""
    file = RESULTS / f"{script}.json"
    found = json.loads(file.read_text()) if file.exists() else None
    for name in path:
        found = found and found[name]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default="agreement,shortcuts,audit,noise")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--out", type=Path, default=RESULTS / "truth.json")
    options = parser.parse_args()
    kept = json.loads(options.out.read_text()) if options.out.exists() else {"parts": {}, "machines": {}}
    parts, machines = kept["parts"], kept["machines"]
    runs = {
        "noise": lambda: noise_part(options.seeds),
        "shortcuts": shortcuts_part,
        "audit": audit_part,
        "agreement": agreement_part,
    }
    for name in options.parts.split(","):
        parts[name] = runs[name]()
        machines[name] = describe_machine()  # afterwards: it multiplies in this thread
    values = figures(parts)
    write_result(options.out, {"machines": machines, "parts": parts, "figures": values})
    print(json.dumps(values))


if __name__ == "__main__":
    main()
