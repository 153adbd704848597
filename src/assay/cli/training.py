"""`assay train`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from assay.cli.opening import open_workspace
from assay.cli.options import JsonOption, WorkspaceOption, pairs, words
from assay.cli.progress import progress
from assay.cli.screen import Screen, estimate
from assay.schema.errors import InputError, shown

if TYPE_CHECKING:
    from assay.schema.criterion import Criterion
    from assay.schema.example import Example
    from assay.training.loop import Fit
    from assay.training.train import OnProgress, TrainedJudge

ROWS_A_STEP = 16  # the usual batch, for the rate in the bar alone


def train(
    criterion: Annotated[str, typer.Argument(metavar="CRITERION", help="The name of a file in criteria/.")],
    dataset: Annotated[str | None, typer.Option(metavar="ID", help="A frozen dataset; by default the newest.")] = None,
    backbone: Annotated[
        str | None, typer.Option(help="minilm, a hub id, or a folder; by default what assay.toml says.")
    ] = None,
    method: Annotated[str | None, typer.Option(help="lora (the default), alora, full, or head.")] = None,
    epochs: Annotated[int | None, typer.Option(help="At most; training stops early on dev.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Of the backbone or its adapters.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Rows a step.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Longer texts are cut, and say so.")] = None,
    lora_rank: Annotated[int | None, typer.Option(help="Of the adapters.")] = None,
    lora_layers: Annotated[
        str | None, typer.Option(metavar="all|top:K", help="The layers that LoRA changes; below them judges share.")
    ] = None,
    explanation_weight: Annotated[
        float | None, typer.Option(help="Of the labels' explanations in the loss of a decoder; 0 leaves them out.")
    ] = None,
    targets: Annotated[
        str | None,
        typer.Option(help="hard (the default): what came out of a row's labels; soft: what its labellers said."),
    ] = None,
    layout: Annotated[str | None, typer.Option(help="Decoders: instruction-first or content-first.")] = None,
    seed: Annotated[int, typer.Option(help="Of the training.")] = 0,
    threshold: Annotated[
        str,
        typer.Option(metavar="POLICY", help="max-f1, precision>=X, recall>=X, fpr<=X, cost:fp=A,fn=B or X."),
    ] = "max-f1",
    base_rate: Annotated[
        float | None, typer.Option(help="The positive share in production; by default what the criterion declares.")
    ] = None,
    traffic: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Production rows, no labels needed: the base rate is estimated on them."),
    ] = None,
    traffic_field: Annotated[
        list[str] | None, typer.Option(metavar="TARGET=COLUMN", help="Read a field of that file from another column.")
    ] = None,
    label_token: Annotated[
        list[str] | None, typer.Option(metavar="LABEL=TEXT", help="Decoders: the token that stands for a label.")
    ] = None,
    dtype: Annotated[
        str | None, typer.Option(help="float32 or bfloat16; by default the fastest that this processor has.")
    ] = None,
    fallback: Annotated[
        str | None,
        typer.Option(
            metavar="CHAIN",
            help="Who answers when the judge cannot run: llm:NAME and rules:FILE if you like, then allow, flag, block "
            "or allow-and-flag, divided by commas; by default what assay.toml says.",
        ),
    ] = None,
    escalate: Annotated[
        str | None,
        typer.Option(metavar="TO", help="Who decides what it declines: llm:NAME, judge:VERSION or human, =DEFAULT."),
    ] = None,
    report_to: Annotated[
        str, typer.Option(metavar="NAMES", help="Trackers to report losses to: tensorboard, wandb, mlflow and others.")
    ] = "",
    waive_agreement: Annotated[
        str | None,
        typer.Option(metavar="WHY", help="Train although labellers may agree less than the criterion's floor."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Of the judge; by default the criterion's.")] = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Train and calibrate a judge, and set the alias `candidate` to it. Killed at any moment, the same command resumes.

    Example: assay train advice --backbone minilm --seed 1
    """
    screen = Screen(json_wanted=json)
    overrides = {
        "epochs": epochs,
        "learning_rate": learning_rate,
        "batch_size": batch_size,
        "max_tokens": max_tokens,
        "lora_rank": lora_rank,
        "lora_layers": lora_layers,
        "explanation_weight": explanation_weight,
        "targets": _one_of(targets, "--targets", ("hard", "soft")),
        "layout": _one_of(layout, "--layout", ("instruction-first", "content-first")),
        "seed": seed,
    }
    with open_workspace(workspace) as here:
        _check_policy(threshold)
        asked = here.criterion(criterion)  # before torch is loaded: seconds for a mistyped name or file
        examples = _traffic(screen, traffic, asked, traffic_field or [])
        from assay.api.extras import needs_models  # noqa: PLC0415
        from assay.api.fallback_plans import parse_escalation, parse_fallback  # noqa: PLC0415

        plan = parse_fallback(fallback or here.settings.fallback, here.settings, asked)
        to = escalate or here.settings.escalate

        with needs_models():
            from assay.training.calibration import DecisionSettings  # noqa: PLC0415
            from assay.training.processes import is_first  # noqa: PLC0415
            from assay.training.train import TrainingRequest  # noqa: PLC0415

        request = TrainingRequest(
            backbone=_place(backbone) or here.settings.backbone,
            name=name,
            method=cast(Any, _one_of(method, "--method", ("head", "lora", "alora", "full"))),
            overrides=overrides,
            label_tokens=pairs(label_token or [], "--label-token"),
            dtype=cast(Any, _one_of(dtype, "--dtype", ("float32", "bfloat16"))),
            decision=DecisionSettings(policy=threshold, base_rate=base_rate, traffic=examples),
            fallback=plan.action,
            fallback_chain=plan.chain,
            escalation=None if to is None else parse_escalation(to, here.settings, here.registry, asked),
            files=plan.files,
            report_to=words(report_to),
        )
        with _watched(f"training {asked.key}", batch_size or ROWS_A_STEP) as on_progress:
            trained = here.train(
                criterion, request, dataset=dataset, waive_agreement=waive_agreement, on_progress=on_progress
            )
    if is_first():  # under torchrun one of the processes speaks
        _say(screen, trained)
        screen.done(_values(trained))


@contextmanager
def _watched(what: str, rows_a_step: int) -> Iterator["OnProgress"]:
    """A bar in rows for the steps of the training; calibration is one step at its end."""
    with progress(what) as report:

        def on_progress(stage: str, done: int, steps: int) -> None:
            if stage == "train":
                report(done * rows_a_step, steps * rows_a_step)

        yield on_progress


def _say(screen: Screen, trained: "TrainedJudge") -> None:
    fit = trained.fit
    resumed = "" if fit.resumed_from_epoch is None else f", resumed after epoch {fit.resumed_from_epoch}"
    screen.say(f"{fit.seconds:,.0f} s on {fit.device} in {fit.dtype}, {fit.rows_per_s:,.0f} rows/s{resumed}")
    screen.table(("epoch", "train loss", "dev loss", "dev loss, calibrated", "dev accuracy", ""), _epochs(fit))
    if fit.explained_rows:
        screen.say(f"explanations of {fit.explained_rows:,} training rows: the judge has the mode reasoning")
    if fit.uncertain_rows:
        screen.say(f"soft targets: on {fit.uncertain_rows:,} training rows the labellers left a doubt")
    decision, calibration = trained.version.decision, trained.version.calibration
    at = "" if decision.threshold is None else f", threshold {decision.threshold:.3f} ({decision.policy})"
    screen.say(f"calibrated with {calibration.calibrator} on {calibration.rows:,} rows{at}")
    for label, rate in trained.base_rates.items():
        screen.say(f"share of {label} in the traffic: {estimate(rate.value, rate.low, rate.high)}, on {rate.n:,} rows")
    screen.say(f"{trained.id} is trained; {trained.version.name}@candidate points at it.")
    screen.say(f"Next: assay evaluate {trained.version.name}@candidate")


def _epochs(fit: "Fit") -> list[tuple[str, ...]]:
    columns = ("train_loss", "dev_loss", "dev_calibrated_loss", "dev_accuracy")
    return [
        (
            f"{epoch['epoch']:.0f}",
            *(f"{epoch[column]:.3f}" if column in epoch else "-" for column in columns),
            "kept" if round(epoch["epoch"]) == fit.best_epoch else "",
        )
        for epoch in fit.epochs
    ]


def _values(trained: "TrainedJudge") -> dict[str, Any]:
    fit, version = trained.fit, trained.version
    return {
        "id": trained.id,
        "alias": f"{version.name}@candidate",
        "dataset": version.dataset,
        "method": version.method,
        "backbone": version.backbone.name,
        "settings": dict(version.training),
        "modes": list(version.modes),
        "explained_rows": fit.explained_rows,
        "uncertain_rows": fit.uncertain_rows,
        "epochs": [dict(epoch) for epoch in fit.epochs],
        "best_epoch": fit.best_epoch,
        "resumed_from_epoch": fit.resumed_from_epoch,
        "seconds": fit.seconds,
        "rows_per_s": fit.rows_per_s,
        "calibrator": version.calibration.calibrator,
        "threshold": version.decision.threshold,
        "production_base_rate": dict(version.calibration.production_base_rate),
        "rate_source": version.calibration.rate_source,
        "estimated_base_rate": {label: rate.to_dict() for label, rate in trained.base_rates.items()},
    }


def _traffic(screen: Screen, file: Path | None, criterion: "Criterion", columns: list[str]) -> "tuple[Example, ...]":
    if file is None:
        if columns:
            raise InputError("--traffic-field is about a file of traffic.", next_step="give --traffic FILE")
        return ()
    from assay.ingest.unlabelled import read_unlabelled  # noqa: PLC0415

    found = read_unlabelled(file, criterion, pairs(columns, "--traffic-field"))
    if found.malformed:
        screen.say(f"{found.malformed:,} rows of {file.name} hold nothing to judge and are left out", style="yellow")
    return found.examples


def _one_of(given: str | None, option: str, known: tuple[str, ...]) -> str | None:
    if given is not None and given not in known:
        from assay.registry.refs import did_you_mean  # noqa: PLC0415 - the registry brings the database along

        raise InputError(
            f"{option} is unknown.",
            required=f"one of {', '.join(known)}",
            got=shown(given),
            next_step=did_you_mean(given, known),
        )
    return given


def _check_policy(text: str) -> None:
    """A wrong policy is refused before the training, not after it. Raises InputError."""
    from assay.calibration.policies import parse_policy  # noqa: PLC0415

    parse_policy(text)


def _place(backbone: str | None) -> str | None:
    """A folder as an absolute path: the judge must find its backbone from anywhere."""
    if backbone is None or backbone == "minilm" or not Path(backbone).expanduser().is_dir():
        return backbone
    return str(Path(backbone).expanduser().resolve())
