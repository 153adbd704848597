"""Judges on real data sets, through the command line with its defaults, on the offline backbone.

For each set and each freeze seed: import, freeze (with the waiver its labels need), train, evaluate. Prints a
table, then one JSON object as its last line: one entry a data set with means over the seeds, every seed's value
with its interval, and the baselines. Writes results/real_data.json: the sets that were run replace their entries there,
each with the machine that it was run on, and the others stay. About half an hour on two cores.

    python benchmarks/real_data.py [--sets surge_toxicity,…] [--seeds 0,1,2] [--out FILE]
"""

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

from commands import assay
from machine import describe_machine, write_result
from pairing import mean_difference, pair_of
from real_sets import SETS, BenchmarkSet

MIN_TEST_PER_CLASS = 50  # what a fifth of the smallest set holds; the waiver says so on each card
MEASURES = ("f1", "auroc", "auprc")


def run_seed(one: BenchmarkSet, workspace: Path, seed: int) -> dict[str, Any]:
    """Freeze, train and evaluate with one seed; the parts of the report that the benchmark shows."""
    waiver = ("--accept-labels", one.label_source, "--min-test-per-class", str(MIN_TEST_PER_CLASS))
    assay(workspace, "data", "freeze", one.name, "--seed", str(seed), *waiver)
    trained = assay(workspace, "train", one.name, "--seed", str(seed))
    evaluated = assay(workspace, "evaluate", trained["id"])
    folder = Path(evaluated["card"]).parent
    report = json.loads((folder / "report.json").read_text())
    training = json.loads((folder / "training.json").read_text())
    words = next(contender for contender in report["contenders"] if contender["name"] == "bag-of-words")
    calibration = report["calibration"]
    return {
        "seed": seed,
        "judge": trained["id"],
        "test_rows": report["answers"]["rows"],
        **{name: report["measures"][name] for name in MEASURES},
        "ece": calibration["ece"],
        "ece_perfect_q95": calibration["perfect_q95"],
        "ece_perfect_q95_independent": calibration["independent_q95"],
        "dependence_within_groups": calibration["dependence"],
        "brier_change": report["measures"]["brier_change"],
        "calibrator": report["judge"]["calibrator"],
        "bag_of_words": {name: words["measures"][name] for name in MEASURES},
        "above_bag_of_words": {name: words["differences"][name] for name in MEASURES},
        "epochs": len(training["epochs"]),
        "best_epoch": training["best_epoch"],
    }


def run_set(one: BenchmarkSet, seeds: list[int]) -> dict[str, Any]:
    """All seeds of one set in one workspace; means and every seed."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder)
        assay(workspace, "init", ".", "--criterion", one.name)
        (workspace / "criteria" / f"{one.name}.toml").write_text(one.criterion_toml())
        grouped = ("--group", one.group) if one.group else ()
        source = ("--criterion", one.name, "--label-source", one.label_source)
        assay(workspace, "data", "import", str(one.file), *source, *grouped)
        runs, pairs = [], []
        for seed in seeds:
            runs.append(run_seed(one, workspace, seed))
            pairs.append(pair_of(workspace, runs[-1]["judge"]))
            print(line_of(one.name, runs[-1]), flush=True)
    mean = {name: statistics.fmean(run[name]["value"] for run in runs) for name in MEASURES}
    return {
        **mean,
        "ece": statistics.fmean(run["ece"]["value"] for run in runs),
        "ece_perfect_q95": statistics.fmean(run["ece_perfect_q95"] for run in runs),
        "within_perfect": sum(run["ece"]["value"] <= run["ece_perfect_q95"] for run in runs),
        "within_perfect_independent": sum(run["ece"]["value"] <= run["ece_perfect_q95_independent"] for run in runs),
        "above_bag_of_words": {name: mean_difference(pairs, name) for name in MEASURES},
        "bag_of_words": {
            name: statistics.fmean(run["bag_of_words"][name]["value"] for run in runs) for name in MEASURES
        },
        "seeds": runs,
    }


def line_of(name: str, run: dict[str, Any]) -> str:
    """One seed in one line."""
    shown = "  ".join(
        f"{measure} {run[measure]['value']:.3f} ({run[measure]['low']:.3f}-{run[measure]['high']:.3f}) "
        f"vs words {run['above_bag_of_words'][measure]['value']:+.3f} "
        f"({run['above_bag_of_words'][measure]['low']:+.3f} to {run['above_bag_of_words'][measure]['high']:+.3f})"
        for measure in MEASURES
    )
    bounds = f"{run['ece_perfect_q95']:.3f}, independent rows {run['ece_perfect_q95_independent']:.3f}"
    ece = f"ece {run['ece']['value']:.3f} (perfect q95 {bounds})"
    change = f"brier change {run['brier_change']['value']:+.4f} (to {run['brier_change']['high']:+.4f})"
    return f"{name} seed {run['seed']}: {shown}  {ece}  {change}  {run['calibrator']}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default=",".join(one.name for one in SETS))
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "real_data.json")
    options = parser.parse_args()
    seeds = [int(seed) for seed in options.seeds.split(",")]
    wanted = options.sets.split(",")
    unknown = set(wanted) - {one.name for one in SETS}
    if unknown:
        parser.error(f"unknown sets {sorted(unknown)}; known are {[one.name for one in SETS]}")
    machine = describe_machine()
    results = {}
    for one in SETS:
        if one.name in wanted:
            results[one.name] = run_set(one, seeds)
            keep(options.out, one.name, {**results[one.name], "machine": machine})
    print(json.dumps(results))


def keep(path: Path, name: str, values: dict[str, Any]) -> None:
    """Put one set's entry into the result file, in the order of `SETS`; what other sets have there stays."""
    known = json.loads(path.read_text(encoding="utf-8"))["sets"] if path.exists() else {}
    known[name] = values
    write_result(path, {"sets": {one.name: known[one.name] for one in SETS if one.name in known}})


if __name__ == "__main__":
    main()
