"""A training ends the same whatever happens on the way; what cannot be trained is refused, and nothing is written."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import simple_task
from simple_task import FILLERS, criterion_of, dataset_of, registry_at, resumable, train_at
from transformers.integrations.integration_utils import get_available_reporting_integrations

from assay.schema.criterion import Level, Scale
from assay.schema.errors import ConflictError, InputError, NotFoundError, RefusedError
from assay.schema.example import Example
from assay.training.calibration import DecisionSettings
from assay.training.checkpoints import last_checkpoint
from assay.training.trackers import TRACKERS
from assay.training.train import TrainingRequest, train


class Killed(BaseException):
    """As abrupt as a signal, in this process."""


def dies_at(stage: str, step: int):
    def on_progress(now: str, done: int, steps: int) -> None:
        del steps
        if (now, done) == (stage, step):
            raise Killed

    return on_progress


def quick(backbone: Path, **changes: object) -> TrainingRequest:
    overrides = {"epochs": 3, **changes.pop("overrides", {})}
    return TrainingRequest(backbone=str(backbone), dtype="float32", overrides=overrides, **changes)


@pytest.fixture(scope="module")
def undisturbed(tiny, tmp_path_factory):
    return train_at(tmp_path_factory.mktemp("undisturbed"), "binary", resumable(tiny("bert")))


def test_one_seed_gives_one_judge(tiny, tmp_path):
    same = [train_at(tmp_path / name, "binary", quick(tiny("bert"))) for name in ("a", "b")]
    assert same[0].id == same[1].id
    assert same[0].version.files == same[1].version.files
    other = train_at(tmp_path / "c", "binary", quick(tiny("bert"), overrides={"seed": 1}))
    assert other.version.files["head.safetensors"] != same[0].version.files["head.safetensors"]
    assert other.id != same[0].id


def test_training_twice_in_one_project_keeps_one_judge(tiny, tmp_path):
    first, second = (train_at(tmp_path, "binary", quick(tiny("bert"))) for _ in range(2))
    assert first.id == second.id
    assert [version.id for version in registry_at(tmp_path).versions()] == [first.id]


def is_whole(state):
    """Whether a checkpoint is written to its last file's end: from one that a kill cut short nothing goes on."""
    try:
        json.loads(state.read_text())
    except ValueError:
        return False
    return True


def test_a_killed_process_is_resumed_by_the_same_call(tiny, tmp_path, undisturbed):
    """SIGKILL after the first epoch; the undisturbed run is another process with another hash seed."""
    command = [sys.executable, simple_task.__file__, str(tmp_path), str(tiny("bert"))]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONHASHSEED": "1", "HF_HUB_OFFLINE": "1"})
    try:
        while not any(map(is_whole, tmp_path.glob("runs/*/checkpoints/checkpoint-*/trainer_state.json"))):
            assert process.poll() is None, "it ended before its first checkpoint"
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert registry_at(tmp_path).versions() == ()
    resumed = train_at(tmp_path, "binary", resumable(tiny("bert")))
    assert resumed.fit.resumed_from_epoch >= 1
    assert resumed.version.files == undisturbed.version.files
    assert resumed.id == undisturbed.id
    assert [version.id for version in registry_at(tmp_path).versions()] == [resumed.id]


@pytest.mark.parametrize(
    ("stage", "step", "resumed"),
    [
        ("train", 5, None),
        ("train", 10, None),
        ("train", 11, 1),
        ("train", 28, 2),
        ("train", 40, 3),
        ("calibrate", 0, 4),
    ],
)
def test_whenever_it_dies_it_ends_with_the_same_judge(tiny, tmp_path, undisturbed, stage, step, resumed):
    request = resumable(tiny("bert"))
    with pytest.raises(Killed):
        train_at(tmp_path, "binary", request, dies_at(stage, step))
    again = train_at(tmp_path, "binary", request)
    assert again.fit.resumed_from_epoch == resumed
    assert again.id == undisturbed.id
    assert len(again.fit.epochs) == len(undisturbed.fit.epochs)
    assert not list((tmp_path / "runs").glob("*/"))


def test_the_record_of_a_resumed_training_counts_the_epochs_before_the_kill(tiny, tmp_path, undisturbed):
    request = resumable(tiny("bert"))
    with pytest.raises(Killed):
        train_at(tmp_path, "binary", request, dies_at("train", 28))
    (run,) = (tmp_path / "runs").glob("*/checkpoints")
    state = last_checkpoint(run).folder / "trainer_state.json"
    values = json.loads(state.read_text())
    assert values["stateful_callbacks"]["_Clock"]["args"]["before_s"] > 0
    values["stateful_callbacks"]["_Clock"]["args"]["before_s"] = 1000.0
    state.write_text(json.dumps(values))
    fit = train_at(tmp_path, "binary", request).fit
    assert fit.resumed_from_epoch == 2
    assert fit.seconds > 1000
    assert fit.tokens == undisturbed.fit.tokens
    assert fit.rows_per_s == pytest.approx(160 * 4 / fit.seconds)


def test_two_processes_train_one_judge(tiny, tmp_path, undisturbed):
    """torchrun on this machine's processor: both compute, one locks, writes and shows progress."""
    registry_at(tmp_path)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*launcher, simple_task.__file__, str(tmp_path), str(tiny("bert")), "0"]
    quiet = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=quiet, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    both = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    (version,) = registry_at(tmp_path).versions()
    assert [one["id"] for one in both] == [version.id] * 2
    assert sorted((one["heard"] for one in both), key=len) == [[], [["train", 40, 40], ["calibrate", 0, 1]]]
    alone = [epoch["dev_loss"] for epoch in undisturbed.fit.epochs]
    assert both[0]["dev_loss"] == pytest.approx(alone, abs=0.01)  # the same rows in the same steps
    record = json.loads((tmp_path / "judges" / version.id / "training.json").read_text())
    assert (len(record["epochs"]), record["best_epoch"] <= 4) == (4, True)
    assert not list((tmp_path / "runs").glob("*/"))


@pytest.mark.parametrize("name", ["wandbb", "none"])
def test_an_unknown_tracker_is_refused_before_anything_is_written(tiny, tmp_path, name):
    with pytest.raises(InputError, match="no such tracker"):
        train_at(tmp_path, "binary", quick(tiny("bert"), report_to=(name,)))
    assert not (tmp_path / "runs").exists()


def test_a_tracker_whose_package_is_missing_is_refused_with_what_to_install(tiny, tmp_path):
    missing = sorted(set(TRACKERS) - set(get_available_reporting_integrations()))
    if not missing:
        pytest.skip("every tracker is installed here")
    with pytest.raises(InputError, match="not installed") as caught:
        train_at(tmp_path, "binary", quick(tiny("bert"), report_to=(missing[0],)))
    assert caught.value.next_step.startswith("pip install ")


def test_tensorboard_hears_of_every_epoch_and_stays_when_the_run_folder_goes(tiny, tmp_path):
    pytest.importorskip("tensorboard")
    trained = train_at(tmp_path, "binary", quick(tiny("bert"), report_to=("tensorboard",)))
    assert list((tmp_path / "trackers" / "tensorboard").glob(f"{trained.version.name}-*/events.out.tfevents.*"))
    assert trained.id == train_at(tmp_path / "untracked", "binary", quick(tiny("bert"))).id


def test_it_may_die_more_than_once(tiny, tmp_path, undisturbed):
    request = resumable(tiny("bert"))
    for step in (8, 25, 26):
        with pytest.raises(Killed):
            train_at(tmp_path, "binary", request, dies_at("train", step))
    assert train_at(tmp_path, "binary", request).id == undisturbed.id


@pytest.mark.parametrize("harm", ["state missing", "state cut short", "weights only"])
def test_a_checkpoint_cut_short_is_not_used(tiny, tmp_path, undisturbed, harm):
    request = resumable(tiny("bert"))
    with pytest.raises(Killed):
        train_at(tmp_path, "binary", request, dies_at("train", 35))
    (run,) = (tmp_path / "runs").glob("*/checkpoints")
    last = last_checkpoint(run)
    assert last.step == 30
    if harm == "state missing":
        (last.folder / "trainer_state.json").unlink()
    elif harm == "state cut short":
        text = (last.folder / "trainer_state.json").read_text()
        (last.folder / "trainer_state.json").write_text(text[: len(text) // 2])
    else:
        cut = run / "checkpoint-40"
        cut.mkdir()
        shutil.copy(last.folder / "trained.safetensors", cut)
    again = train_at(tmp_path, "binary", request)
    assert again.fit.resumed_from_epoch == (3 if harm == "weights only" else 2)
    assert again.id == undisturbed.id


def stopping(backbone: Path) -> TrainingRequest:
    """Steps so large that the dev loss soon rises."""
    overrides = {"epochs": 30, "patience": 2, "learning_rate": 0.02}
    return TrainingRequest(backbone=str(backbone), method="full", dtype="float32", overrides=overrides)


def test_early_stopping_keeps_the_best_epoch_and_is_remembered_after_a_kill(tiny, tmp_path):
    undisturbed = train_at(tmp_path / "a", "categorical", stopping(tiny("bert")))
    fit = undisturbed.fit
    assert len(fit.epochs) == fit.best_epoch + 2 < 30
    for stage, step in (("calibrate", 0), ("train", 10 * (len(fit.epochs) - 1) + 1)):
        root = tmp_path / stage
        with pytest.raises(Killed):
            train_at(root, "categorical", stopping(tiny("bert")), dies_at(stage, step))
        again = train_at(root, "categorical", stopping(tiny("bert")))
        assert again.id == undisturbed.id
        assert len(again.fit.epochs) == len(fit.epochs)


def test_the_same_training_twice_at_once_is_a_conflict(tiny, tmp_path):
    seen = []

    def on_progress(stage: str, done: int, steps: int) -> None:
        del stage, steps
        if done == 1:
            with pytest.raises(ConflictError, match="running in another process"):
                train_at(tmp_path, "binary", quick(tiny("bert")))
            other = train_at(tmp_path, "binary", quick(tiny("bert"), overrides={"epochs": 1}))
            seen.append(other.id)

    trained = train_at(tmp_path, "binary", quick(tiny("bert")), on_progress)
    assert {version.id for version in registry_at(tmp_path).versions()} == {trained.id, *seen}


def test_progress_is_told(tiny, tmp_path):
    told: list[tuple[str, int, int]] = []
    train_at(tmp_path, "binary", quick(tiny("bert")), lambda *now: told.append(now))
    assert told == [("train", step, 30) for step in range(1, 31)] + [("calibrate", 0, 1)]


def test_bfloat16_is_recorded_and_judges(tiny, tmp_path):
    request = dataclasses.replace(quick(tiny("bert")), dtype="bfloat16")
    trained = train_at(tmp_path, "binary", request)
    assert trained.version.dtype == trained.fit.dtype == "bfloat16"


def test_a_declared_base_rate_moves_the_probabilities_and_not_the_weights(tiny, tmp_path):
    plain = train_at(tmp_path / "a", "binary", quick(tiny("bert")))
    declared = train_at(
        tmp_path / "b", "binary", quick(tiny("bert"), decision=DecisionSettings(base_rate=0.05, policy="recall>=0.9"))
    )
    assert declared.version.files == plain.version.files
    assert declared.id != plain.id
    assert plain.version.calibration.rate_source == "unshifted"
    assert declared.version.calibration.rate_source == "declared"
    assert declared.version.calibration.production_base_rate == {"yes": 0.05, "no": 0.95}
    assert declared.version.decision.policy == "recall>=0.9"


def test_the_base_rate_is_estimated_on_traffic(tiny, tmp_path):
    yes = [Example(id=f"y{place}", output=f"{FILLERS[place]} buy food {FILLERS[-place]}") for place in range(10)]
    no = [Example(id=f"n{place}", output=f"{FILLERS[place % 10]} travel home") for place in range(90)]
    decision = DecisionSettings(traffic=(*yes, *no))
    request = quick(tiny("bert"), decision=decision, overrides={"epochs": 12, "learning_rate": 2e-3})
    rate = train_at(tmp_path, "binary", request).version.calibration
    assert rate.rate_source == "estimated"
    assert rate.production_base_rate["yes"] == pytest.approx(0.1, abs=0.03)


REFUSED = [
    ({"method": "head"}, "llama", InputError, "no head to train"),
    ({"backbone": "/absent"}, "bert", NotFoundError, "no backbone folder"),
    ({"overrides": {"epoch": 3}}, "bert", InputError, "did you mean 'epochs'"),
    ({"overrides": {"max_tokens": 10_000}}, "bert", InputError, "longer than the backbone's window"),
    ({"label_tokens": {"yes": "x", "no": "x"}}, "llama", InputError, "collide"),
    ({"decision": DecisionSettings(policy="best")}, "bert", InputError, "not a threshold policy"),
    ({"decision": DecisionSettings(base_rate=1.5)}, "bert", InputError, "between 0 and 1"),
    ({"name": "my judge"}, "bert", InputError, "name"),
]


@pytest.mark.parametrize(("changes", "kind", "error", "message"), REFUSED)
def test_what_cannot_be_trained_is_refused_before_anything_is_written(tiny, tmp_path, changes, kind, error, message):
    request = dataclasses.replace(TrainingRequest(backbone=str(tiny(kind)), dtype="float32"), **changes)
    with pytest.raises(error, match=message):
        train_at(tmp_path, "binary", request)
    assert not (tmp_path / "runs").exists()
    assert registry_at(tmp_path).versions() == ()


def test_an_architecture_that_cannot_be_read_is_refused(tiny, tmp_path):
    with pytest.raises(InputError, match="GraniteForCausalLM cannot be read"):
        train_at(tmp_path, "binary", quick(tiny("granite")))
    assert registry_at(tmp_path).versions() == ()


@pytest.mark.parametrize("kind", ["multi-label", "pairwise"])
def test_scales_that_come_later_are_refused(tiny, tmp_path, kind):
    dataset, rows = dataset_of("binary")
    scale = Scale(kind=kind, levels=(Level(label="yes"), Level(label="no")))
    dataset = dataclasses.replace(dataset, criterion=dataclasses.replace(criterion_of("binary"), scale=scale))
    with pytest.raises(InputError, match=f"on a {kind} scale yet"):
        train(dataset, rows, registry_at(tmp_path), quick(tiny("bert")), runs=tmp_path / "runs")


def test_a_policy_that_cannot_be_met_is_refused_and_the_weights_are_kept(tiny, tmp_path):
    """Calibration labels turned round: the surest positives are all wrong. Another policy needs no second training."""
    dataset, rows = dataset_of("binary")
    turned = {"yes": "no", "no": "yes"}
    rows = [
        dataclasses.replace(row, target=dataclasses.replace(row.target, value=turned[row.target.value]))
        if row.split == "calibration"
        else row
        for row in rows
    ]
    hard = quick(tiny("bert"), decision=DecisionSettings(policy="precision>=0.99"), overrides={"learning_rate": 2e-3})
    registry = registry_at(tmp_path)
    with pytest.raises(RefusedError, match=r"No threshold meets the policy precision>=0\.99"):
        train(dataset, rows, registry, hard, runs=tmp_path / "runs")
    assert registry.versions() == ()
    easy = dataclasses.replace(hard, decision=DecisionSettings(policy="0.5"))
    assert train(dataset, rows, registry, easy, runs=tmp_path / "runs").fit.resumed_from_epoch == 3


def test_an_example_without_text_is_refused_by_name(tiny, tmp_path):
    dataset, rows = dataset_of("binary")
    rows = [
        dataclasses.replace(row, example=Example(id="train-0")) if row.example.id == "train-0" else row for row in rows
    ]
    with pytest.raises(InputError, match="'train-0' has no text"):
        train(dataset, rows, registry_at(tmp_path), quick(tiny("bert")), runs=tmp_path / "runs")


def test_a_calibration_row_without_text_is_refused(tiny, tmp_path):
    dataset, rows = dataset_of("binary")
    empty = {"calibration-0": Example(id="calibration-0")}
    rows = [dataclasses.replace(row, example=empty.get(row.example.id, row.example)) for row in rows]
    with pytest.raises(RefusedError, match=r"calibration data cannot be judged.*'calibration-0' has no text"):
        train(dataset, rows, registry_at(tmp_path), quick(tiny("bert")), runs=tmp_path / "runs")
