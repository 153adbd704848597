"""Footprint: the memory that a judge takes, estimated from its version before anything is loaded.

    total_bytes(footprint_of(version, files_bytes) for version in …)     # what judges share counts once

Judges of one `engine_key` share an engine: the model and, of decoders, the prefixes that it keeps, which are counted
with all that they may take. The activations of a pass come on top. No torch.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from assay.models.lora_layers import ALL_LAYERS
from assay.schema.judge_version import Dtype, JudgeVersion

EngineKey: TypeAlias = tuple[str, str]  # weights, number format
COPY_BYTES = 512 << 20  # of an engine, for layers with a merged adapter: 24 times all of MiniLM's, 3 of BERT-base
PREFIX_BYTES = 512 << 20  # of an engine of decoders, for the prefixes that it keeps: what they may take at most
_LEAST_LAYERS = 6
_PARAMETER_BYTES: dict[Dtype, int] = {"float32": 4, "bfloat16": 2, "int8": 2}  # int8: 1 in layers, 2 to 4 in embeddings


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """`own_bytes` of the judge alone; `shared_bytes` once for all judges of one engine."""

    engine: EngineKey
    shared_bytes: int = 0
    own_bytes: int = 0


def engine_key(version: JudgeVersion) -> EngineKey:
    """What judges share that share an engine."""
    return (version.id if version.method == "full" else version.backbone.weights_digest, version.dtype)


def footprint_of(version: JudgeVersion, files_bytes: int) -> Footprint:
    """A judge in this process. `files_bytes`: of its folder."""
    model = model_bytes(version)
    if version.dtype == "int8":  # its adapter is merged before the weights are rounded, so nothing is shared
        return Footprint(engine=engine_key(version), own_bytes=model)
    shared = model + (PREFIX_BYTES if version.family == "decoder" else 0)
    if version.method == "full":
        return Footprint(engine=engine_key(version), shared_bytes=shared)
    return Footprint(engine=engine_key(version), shared_bytes=shared, own_bytes=files_bytes + _copy_bytes(version))


def footprint_elsewhere(version: JudgeVersion, files_bytes: int) -> Footprint:
    """A judge whose model is in another process."""
    del files_bytes
    return Footprint(engine=engine_key(version))


def total_bytes(footprints: Iterable[Footprint]) -> int:
    """What judges take together.

    >>> first = Footprint(engine=("weights", "float32"), shared_bytes=100, own_bytes=1)
    >>> total_bytes([first, first, Footprint(engine=("weights", "int8"), own_bytes=50)])
    152
    """
    shared: dict[EngineKey, int] = {}
    own = 0
    for one in footprints:
        own += one.own_bytes
        shared[one.engine] = max(one.shared_bytes, shared.get(one.engine, 0))
    return own + sum(shared.values())


def model_bytes(version: JudgeVersion) -> int:
    """The weights of the whole model."""
    return version.backbone.parameters * _PARAMETER_BYTES[version.dtype]


def _copy_bytes(version: JudgeVersion) -> int:
    """Of the layers of its own that an encoder's LoRA judge may get, its adapter merged: the k that it changes, or all.

    How many layers there are, and how much the shared embeddings take, the version does not say: the whole model is
    counted for all, and a sixth of it a layer, for few encoders have less than six.
    """
    if version.family != "encoder" or version.method != "lora":
        return 0
    changed = version.training.get("lora_layers", ALL_LAYERS)
    share = 1.0 if changed == ALL_LAYERS else min(int(changed.removeprefix("top:")) / _LEAST_LAYERS, 1.0)
    return min(int(share * model_bytes(version)), COPY_BYTES)
