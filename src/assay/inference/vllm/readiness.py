"""Making a judge ready on one server: its base found, its adapter loaded and listed, its scores looked at.

    ready = await make_ready(replica, judge)
    ready.model      # what to call the judge there

What is checked: the base model (`base_model`), the window, that the server lists the adapter under that base, that it
answers with a score for every label, and, where the judge has probes, that the scores are those of its training.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from assay.inference.vllm.base_model import KnownBy, base_of
from assay.inference.vllm.probes import TOLERANCE, drift
from assay.inference.vllm.replica import Replica, ReplicaLost, ReplicaRefused, UnknownModel
from assay.inference.vllm.served_judge import ServedJudge
from assay.inference.vllm.wire import MalformedAnswer, ServedModel, label_scores, scoring
from assay.schema.errors import IntegrityError, UnsupportedJudgeError, shown


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A judge that a server runs."""

    model: str  # its name there
    known_by: KnownBy


async def make_ready(replica: Replica, judge: ServedJudge) -> Ready:
    """Have a server run a judge. Doing it again checks everything again and loads what is no more there.

    Raises UnsupportedJudgeError, IntegrityError, and what Replica raises.
    """
    models = await replica.models()
    base, known_by = base_of(judge, models)
    model = base.id
    if judge.adapter_name is None:
        _check_alone(replica, judge, models)
    else:
        model = judge.adapter_name
        if all(served.id != model for served in models):
            await _load(replica, judge)
            models = await replica.models()
        bases = {served.id for served in models if served.parent is None and served.root == base.root}
        if not any(served.id == model and served.parent in bases for served in models):
            raise UnsupportedJudgeError(
                f"{replica.url} took the adapter of {judge.id}, and does not list it.",
                required=f"{model} under {shown(base.id)} in /v1/models",
                got=shown([served.id for served in models], 200),
                next_step="give one address for each server process (no balancer, --api-server-count 1)",
            )
    await _check_scores(replica, judge, model)
    return Ready(model=model, known_by=known_by)


def _check_alone(replica: Replica, judge: ServedJudge, models: Sequence[ServedModel]) -> None:
    """A judge without an adapter must not share a server with adapters.

    vLLM 0.32 on a CPU takes the slot of a request without an adapter for slot -1, the last one: in a batch with
    requests that have one, it is computed with whatever adapter lies there (scores were off by up to 1.8).
    """
    adapters = [served.id for served in models if served.parent is not None]
    if adapters:
        raise UnsupportedJudgeError(
            f"{replica.url} serves adapters too, and {judge.id} has none.",
            required="a server of its own for a judge of kind full: vLLM's CPU build lets adapters touch requests"
            " without one that are in the same batch",
            got=shown(adapters, 200),
            next_step="start one without --enable-lora and add it to [engine] urls",
        )


async def _load(replica: Replica, judge: ServedJudge) -> None:
    """Load the adapter; every refusal of the server becomes one with a next step."""
    try:
        await replica.load(str(judge.adapter_name), str(judge.adapter_folder))
    except UnknownModel as error:
        unseen = "adapter" in str(error).lower()  # else the route itself is missing
        raise UnsupportedJudgeError(
            f"{replica.url} cannot load the adapter of {judge.id}.",
            required="a folder that the server sees" if unseen else "a server that loads adapters at run time",
            got=f"{shown(judge.adapter_folder, 200)}; {error}",
            next_step="set [engine] judges_folder to where the server sees the judges"
            if unseen
            else "start it with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=1",
        ) from None
    except (ReplicaRefused, ReplicaLost) as error:
        await replica.healthy()  # a server that is gone is lost; one that lives does not want this adapter
        raise UnsupportedJudgeError(
            f"{replica.url} does not take the adapter of {judge.id}.",
            required="an adapter within its limits (--max-lora-rank, --enable-lora)",
            got=str(error),
            next_step="start the server with other limits",
        ) from None


async def _check_scores(replica: Replica, judge: ServedJudge, model: str) -> None:
    rows = judge.probes.rows if judge.probes else (judge.label_tokens,)
    try:
        answers = [await replica.complete(scoring(model, row, judge.label_tokens)) for row in rows]
        found = [label_scores(answer, judge.label_tokens) for answer in answers]
    except (ReplicaRefused, MalformedAnswer) as error:
        raise UnsupportedJudgeError(
            f"{replica.url} gives no label scores for {judge.id}.",
            required="/v1/completions with logprob_token_ids (vLLM 0.32 or later)",
            got=str(error),
        ) from None
    if not all(np.isfinite(scores).all() for scores in found):
        raise UnsupportedJudgeError(f"{replica.url} gives scores for {judge.id} that are not finite numbers.")
    if judge.probes is None:
        return
    worst = max(drift(wanted, scores) for wanted, scores in zip(judge.probes.scores, found, strict=True))
    if worst > TOLERANCE:
        raise IntegrityError(
            f"{replica.url} does not give the scores that {judge.id} was trained to give.",
            required=f"its probes within {TOLERANCE:g}",
            got=f"{worst:.3g} off",
            next_step="start the server with the judge's own base model, unquantised, and --dtype as it was trained",
        )
