"""Which backend runs which kind of judge. An unsupported pair is refused at load, with the reason.

    check_supported("vllm", version)   # UnsupportedJudgeError: … activated LoRA …

Every supported pair passes one parity suite (tests/inference/test_parity.py): its scores against plain transformers and
PEFT, one request at a time. `docs/methods.md` shows the same table.
"""

from collections.abc import Mapping
from typing import Literal, TypeAlias

from assay.schema.errors import UnsupportedJudgeError
from assay.schema.judge_version import Family, JudgeVersion

Backend: TypeAlias = Literal["torch", "int8", "vllm"]
Kind: TypeAlias = Literal["head", "lora", "top-k", "alora", "full"]
BACKENDS: tuple[Backend, ...] = ("torch", "int8", "vllm")

_NO_HEADS = "it serves decoders, whose verdict is a token; heads are served in-process"
_NO_ALORA = "it refuses activated LoRA"
_ENCODERS_ONLY = "int8 was not found to be faster for decoders (docs/decisions/0020-int8.md)"
_NOT_MERGED = "activated LoRA cannot be merged into quantised weights"

# (family, kind) → why not; what is absent is supported
REFUSED: Mapping[Backend, Mapping[tuple[Family, Kind], str]] = {
    "torch": {},
    "int8": {
        ("decoder", "lora"): _ENCODERS_ONLY,
        ("decoder", "top-k"): _ENCODERS_ONLY,
        ("decoder", "full"): _ENCODERS_ONLY,
        ("decoder", "alora"): _NOT_MERGED,
    },
    "vllm": {
        ("encoder", "head"): _NO_HEADS,
        ("encoder", "lora"): _NO_HEADS,
        ("encoder", "top-k"): _NO_HEADS,
        ("encoder", "full"): _NO_HEADS,
        ("decoder", "alora"): _NO_ALORA,
    },
}
KINDS: tuple[tuple[Family, Kind], ...] = (
    ("encoder", "head"),
    ("encoder", "lora"),
    ("encoder", "top-k"),
    ("encoder", "full"),
    ("decoder", "lora"),
    ("decoder", "top-k"),
    ("decoder", "alora"),
    ("decoder", "full"),
)


def kind_of(version: JudgeVersion) -> Kind:
    """How a judge changes its backbone, as the engine sees it."""
    if version.method == "lora" and version.training.get("lora_layers", "all") != "all":
        return "top-k"
    return version.method


def check_supported(backend: Backend, version: JudgeVersion) -> None:
    """Raise UnsupportedJudgeError, with the reason, where a backend does not run a judge's kind."""
    if version.dtype == "int8" and backend != "int8":
        raise UnsupportedJudgeError(
            f"The {backend} backend does not run {version.id}: it has int8 weights.",
            required="the int8 backend, which lone judges and servers on the CPU take by themselves",
            next_step=f"use its parent: {version.parent}",
        )
    kind = kind_of(version)
    reason = REFUSED[backend].get((version.family, kind))
    if reason is not None:
        others = [other for other in BACKENDS if (version.family, kind) not in REFUSED[other]]
        raise UnsupportedJudgeError(
            f"The {backend} backend does not run {version.id}: {reason}.",
            required=f"one of the backends {others} for a judge of kind {kind} on a {version.family}",
            next_step=f'set [engine] backend = "{others[0]}" in assay.toml',
        )
