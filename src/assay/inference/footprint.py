"""Footprint: the memory that a judge takes, estimated from its version before anything is loaded.

    total_bytes(footprint_of(version, files_bytes) for version in …)     # what judges share counts once

Judges of one `engine_key` share an engine: the model and, of decoders, the prefixes that it keeps, which are counted
with all that they may take. The activations of a pass come on top. No torch.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from assay.schema.judge_version import Dtype, JudgeVersion

EngineKey: TypeAlias = tuple[str, str]  # weights, number format
COPY_BYTES = 512 << 20  # of an engine, for copies of layers with a merged adapter: 24 on MiniLM, 3 on BERT-base
PREFIX_BYTES = 512 << 20  # of an engine of decoders, for the prefixes that it keeps: what they may take at most
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
    own = files_bytes + (min(model, COPY_BYTES) if _gets_a_copy(version) else 0)
    return Footprint(engine=engine_key(version), shared_bytes=shared, own_bytes=own)


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


def _gets_a_copy(version: JudgeVersion) -> bool:
    """Whether it may get layers of its own, its adapter merged: an encoder whose adapter changes every layer.

    The whole model is counted for them, though the embeddings are shared: how much they are the version does not say.
    """
    return (
        version.family == "encoder" and version.method == "lora" and version.training.get("lora_layers", "all") == "all"
    )
