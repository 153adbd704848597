"""The training loop: transformers' Trainer, with our batches, our loss, early stopping on `dev` and resume after a
kill.

Checkpoints (the trained tensors as safetensors, and the Trainer's own state) live in a private run folder; the caller
deletes it when the judge is stored. Only the last pool of rows of an epoch is ever short.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from torch import nn
from transformers import (
    EarlyStoppingCallback,
    EvalPrediction,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)
from transformers.trainer_callback import ExportableState

from assay.datasets.soft_targets import uncertain
from assay.models.small_judge_model import DecoderModel, SmallJudgeModel
from assay.schema.criterion import Scale
from assay.schema.judge_version import Dtype
from assay.training.batches import Collator, LengthGroupedSampler, TrainingData, TrainingRow
from assay.training.checkpoints import Checkpoint, last_checkpoint, load_trained, save_trained
from assay.training.objectives import class_weights, loss_of, said_loss, target_table
from assay.training.processes import first_goes_first, is_first, rows_a_step
from assay.training.settings import TrainingSettings
from assay.training.trackers import Tracking

_MONITOR = "eval_calibrated_loss"
_MONITOR_ERROR = "eval_calibrated_loss_error"
OnStep = Callable[[int, int], None]  # steps done, steps in all


@dataclass(frozen=True, kw_only=True)
class Fit:
    """What training did, epoch by epoch. Losses are mean cross-entropies in nats; the training loss holds the weighted
    loss of explanations too. `seconds` and `tokens` are those of all epochs, an interrupted run's finished ones too.
    """

    epochs: tuple[Mapping[str, float], ...]
    best_epoch: int
    seconds: float
    rows_per_s: float
    tokens: int  # read in training, padding not counted
    explained_rows: int  # of the training rows, those with an explanation
    uncertain_rows: int  # of the training rows, those whose target is shared by several labels
    resumed_from_epoch: int | None
    dtype: str
    device: str


class JudgeTrainer(Trainer):
    """Trainer that computes our loss and stores only what is trained."""

    def __init__(
        self,
        scale: Scale,
        weights: torch.Tensor,
        sampler: LengthGroupedSampler,
        explanation_weight: float,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._weights = weights
        self._explanation_weight = explanation_weight
        self._table = target_table(scale)
        self._sampler = sampler

    def compute_loss(  # type: ignore[override]
        self, model: nn.Module, inputs: dict[str, torch.Tensor], return_outputs: bool = False, **_: Any
    ) -> Any:
        """Our loss; the Trainer's hook."""
        said = inputs["said"]
        speaks = isinstance(self._module, DecoderModel)
        wanted = {name: inputs[name] for name in ("row_length", "adapter_from")} if speaks else {}
        explained = speaks and bool(said.any())
        if explained:
            logits, following = model(inputs["input_ids"], inputs["attention_mask"], said=said, **wanted)
        else:
            logits = model(inputs["input_ids"], inputs["attention_mask"], **wanted)
        loss = loss_of(logits, inputs["shares"], self._weights.to(logits.device), self._table.to(logits.device))
        if explained:
            loss = loss + self._explanation_weight * said_loss(following, inputs["input_ids"], said)
        return (loss, {"loss": loss, "logits": logits}) if return_outputs else loss

    def create_optimizer(self, *_: Any) -> torch.optim.Optimizer:
        """AdamW with one learning rate for the backbone and one for the head; the Trainer's hook."""
        trained = [(name, tensor) for name, tensor in self._module.named_parameters() if tensor.requires_grad]
        head = [tensor for name, tensor in trained if name.startswith("head.")]
        body = [tensor for name, tensor in trained if not name.startswith("head.")]
        rates = (float(self.args.learning_rate), float(str(self.args.optim_args)))
        groups = [{"params": part, "lr": rate} for part, rate in zip((body, head), rates, strict=True) if part]
        self.optimizer = torch.optim.AdamW(groups, weight_decay=self.args.weight_decay, fused=True)
        return self.optimizer

    def _get_train_sampler(self, *_: Any) -> LengthGroupedSampler:
        return self._sampler

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        save_trained(self._module, Path(output_dir or str(self.args.output_dir)))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        load_trained(model or self._module, Path(resume_from_checkpoint))

    def _load_best_model(self) -> None:
        load_trained(self._module, Path(str(self.state.best_model_checkpoint)))

    def _determine_best_metric(self, metrics: dict[str, float], trial: Any) -> bool:
        """The epoch to keep is the latest one that is not clearly worse than the best: within one standard error.

        A dev split of a hundred rows cannot tell neighbouring epochs apart, and the later one, trained at the smaller
        learning rates, is the better bet (the one-standard-error rule: Breiman et al. 1984, §3.4.3).
        """
        del trial
        lowest = metrics[_MONITOR] if self.state.best_metric is None else min(metrics[_MONITOR], self.state.best_metric)
        self.state.best_metric = lowest
        kept = not clearly_worse(metrics, lowest)
        if kept:
            self.state.best_global_step = self.state.global_step
        return kept

    @property
    def _module(self) -> nn.Module:
        module: nn.Module = self.accelerator.unwrap_model(self.model)
        return module


def clearly_worse(metrics: Mapping[str, float], lowest: float) -> bool:
    """True when an epoch's dev loss is more than one standard error above the lowest."""
    return metrics[_MONITOR] > lowest + metrics[_MONITOR_ERROR]


class _StopOverfitting(EarlyStoppingCallback):
    """Stops after `patience` epochs in a row that are clearly worse than the best."""

    def on_evaluate(  # type: ignore[override]
        self, args: Any, state: Any, control: Any, metrics: Mapping[str, float], **_: Any
    ) -> None:
        del args
        worse = state.best_metric is not None and clearly_worse(metrics, state.best_metric)
        self.early_stopping_patience_counter = self.early_stopping_patience_counter + 1 if worse else 0
        if self.early_stopping_patience_counter >= self.early_stopping_patience:
            control.should_training_stop = True


class _Clock(TrainerCallback, ExportableState):
    """Keeps the seconds of the finished epochs in the checkpoints, so that a resumed run counts on."""

    def __init__(self, before_s: float = 0.0) -> None:
        self.before_s = before_s
        self._began = time.perf_counter()

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds; the Trainer's hook."""
        return {"args": {"before_s": self.before_s + time.perf_counter() - self._began}, "attributes": {}}


class _Steps(TrainerCallback):
    def __init__(self, on_step: OnStep) -> None:
        self._on_step = on_step

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        del args, control
        self._on_step(state.global_step, state.max_steps)


def fit_model(  # noqa: PLR0913 (what to train, on what, how and where, and who hears of it)
    model: SmallJudgeModel,
    data: TrainingData,
    settings: TrainingSettings,
    *,
    dtype: Dtype,
    run_folder: Path,
    on_step: OnStep | None = None,
    tracking: Tracking | None = None,
) -> Fit:
    """Train in place; at the end the model holds the weights of the latest epoch not clearly worse than the best one.

    Called again after a kill with the same run folder, it goes on from the last finished epoch and ends with the same
    weights. `dtype` is that of the matrix products; weights and optimiser stay in float32.
    """
    with first_goes_first():  # it deletes what a kill cut short
        checkpoint = last_checkpoint(run_folder)
    tracking = tracking or Tracking()
    arguments = _arguments(settings, dtype, run_folder, len(data.train), checkpoint, tracking)
    trainer = _trainer(model, data, settings, arguments)
    more = [_Steps(on_step)] if on_step else []
    for callback in (*more, *(tracking.callbacks() if is_first() else ())):
        trainer.add_callback(callback)
    outcome = trainer.train(resume_from_checkpoint=str(checkpoint.folder) if checkpoint else None)
    return _fit_of(trainer, outcome.metrics, data.train, checkpoint, dtype)


def _trainer(
    model: SmallJudgeModel, data: TrainingData, settings: TrainingSettings, arguments: TrainingArguments
) -> JudgeTrainer:
    shares = np.array([row["shares"] for row in data.train])
    trainer = JudgeTrainer(
        data.scale,
        class_weights(shares, balanced=settings.class_balance),
        LengthGroupedSampler(
            [len(row["input_ids"]) for row in data.train], rows_a_step(settings.batch_size)[1], settings.seed
        ),
        settings.explanation_weight,
        model=model,
        args=arguments,
        train_dataset=data.train,
        eval_dataset=sorted(data.dev, key=lambda row: len(row["input_ids"])),
        data_collator=Collator(data.pad_id),
        compute_metrics=_dev_metrics,
        callbacks=[_StopOverfitting(early_stopping_patience=settings.patience), _Clock()],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _arguments(
    settings: TrainingSettings,
    dtype: Dtype,
    run_folder: Path,
    rows: int,
    checkpoint: Checkpoint | None,
    tracking: Tracking,
) -> TrainingArguments:
    cuda = torch.cuda.is_available()
    of_one_device, together = rows_a_step(settings.batch_size)
    per_epoch = math.ceil(rows / together)
    stopped = checkpoint is not None and checkpoint.stopped  # the Trainer would forget it and go on
    return TrainingArguments(
        output_dir=str(run_folder),
        per_device_train_batch_size=of_one_device,
        per_device_eval_batch_size=2 * of_one_device,
        num_train_epochs=checkpoint.step // per_epoch if checkpoint and stopped else settings.epochs,
        learning_rate=settings.learning_rate,
        optim_args=str(settings.head_learning_rate),
        weight_decay=settings.weight_decay,
        warmup_steps=round(settings.warmup_share * per_epoch * settings.epochs),
        lr_scheduler_type="linear",
        bf16=dtype == "bfloat16",
        use_cpu=not cuda,
        seed=settings.seed,
        eval_strategy="epoch",
        save_strategy="epoch",
        logging_strategy="epoch",
        save_total_limit=2,  # the last and the best
        load_best_model_at_end=True,
        metric_for_best_model=_MONITOR,
        greater_is_better=False,
        restore_callback_states_from_checkpoint=True,  # early stopping goes on counting after a kill
        remove_unused_columns=False,
        label_names=["labels"],
        report_to=tracking.reported_to or "none",
        run_name=tracking.run_name or None,
        disable_tqdm=True,
        dataloader_pin_memory=cuda,
        log_level="error",
    )


def _dev_metrics(prediction: EvalPrediction) -> dict[str, float]:
    """Accuracy, and log-loss at the best temperature: how well the scores separate, whatever their confidence.

    The plain dev loss rises as soon as a small model grows over-confident, long before it separates worse;
    calibration takes care of confidence later.
    """
    logits, labels = np.asarray(prediction.predictions, dtype=np.float64), np.asarray(prediction.label_ids)
    accuracy = float((logits.argmax(axis=1) == labels).mean())
    loss, error = calibrated_loss(logits, labels)
    return {"accuracy": accuracy, "calibrated_loss": loss, "calibrated_loss_error": error}


def calibrated_loss(logits: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Min over T > 0 of the mean of −log softmax(logits / T)[label], and that mean's standard error; in nats.

    Shapes: logits (n, k), labels (n,).

    >>> loss, error = calibrated_loss(np.array([[0.0, 9.0], [9.0, 0.0], [0.0, 9.0]]), np.array([1, 0, 0]))
    >>> round(loss, 3), round(error, 3)
    (0.637, 0.189)
    """

    def losses(log_temperature: float) -> np.ndarray:  # (n,)
        scores = log_softmax(logits / math.exp(log_temperature), axis=1)
        return np.asarray(-scores[np.arange(len(labels)), labels])

    best = minimize_scalar(lambda at: float(losses(at).mean()), bounds=(-3, 5), method="bounded")
    rows = losses(float(best.x))
    return float(best.fun), float(rows.std() / math.sqrt(len(rows)))


def _fit_of(
    trainer: Trainer,
    metrics: Mapping[str, float],
    train: list[TrainingRow],
    checkpoint: Checkpoint | None,
    dtype: Dtype,
) -> Fit:
    epochs: dict[int, dict[str, float]] = {}
    for entry in trainer.state.log_history:
        values = epochs.setdefault(round(entry["epoch"]), {})
        if "loss" in entry:
            values["train_loss"] = entry["loss"]
        if "eval_loss" in entry:
            values["dev_loss"] = entry["eval_loss"]
            values["dev_calibrated_loss"] = entry[_MONITOR]
            values["dev_calibrated_loss_error"] = entry[_MONITOR_ERROR]
            values["dev_accuracy"] = entry["eval_accuracy"]
    finished = max(epochs)
    per_epoch = math.ceil(len(train) / (trainer.args.train_batch_size * trainer.args.world_size))
    resumed = checkpoint.step // per_epoch if checkpoint else None
    clock = next(one for one in trainer.callback_handler.callbacks if isinstance(one, _Clock))
    seconds = clock.before_s + float(metrics["train_runtime"])
    return Fit(
        epochs=tuple({"epoch": float(epoch), **values} for epoch, values in sorted(epochs.items()) if values),
        best_epoch=int(str(trainer.state.best_model_checkpoint).rsplit("-", 1)[1]) // per_epoch,
        seconds=seconds,
        rows_per_s=len(train) * finished / seconds,
        tokens=finished * sum(len(row["input_ids"]) for row in train),
        explained_rows=sum(len(row["input_ids"]) > row["row_length"] for row in train),
        uncertain_rows=int(uncertain(np.array([row["shares"] for row in train])).sum()),
        resumed_from_epoch=resumed,
        dtype=dtype,
        device=str(trainer.args.device),
    )
