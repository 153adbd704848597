"""Which backend runs which kind of judge, in which modes. What is not supported is refused at load, with the reason.

    check_supported("vllm", version)             # UnsupportedJudgeError: … activated LoRA …
    modes_of("torch", "decoder", "alora")        # ("single-token", "verdict", "reasoning")

Every supported pair of backend and kind passes the suite that `SUITES` names: its scores against plain transformers
and PEFT, one request at a time (int8: against the same judge in float32). `docs/methods.md` shows `support_rows()`.
"""

from collections.abc import Mapping
from typing import Literal, TypeAlias

from assay.schema.errors import UnsupportedJudgeError
from assay.schema.judge_version import Family, JudgeVersion
from assay.schema.verdict import Mode

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
# an encoder has nothing to decode with; a decoder's explanation is decoded after its verdict by every backend
MODES: Mapping[Family, tuple[Mode, ...]] = {
    "encoder": ("single-token", "verdict"),
    "decoder": ("single-token", "verdict", "reasoning"),
}
SUITES: Mapping[Backend, tuple[str, ...]] = {
    "torch": ("tests/inference/test_parity.py", "tests/inference/test_parity_bf16.py"),
    "int8": ("tests/inference/test_int8.py",),
    "vllm": ("tests/inference/test_vllm_parity.py",),
}


def kind_of(version: JudgeVersion) -> Kind:
    """How a judge changes its backbone, as the engine sees it."""
    if version.method == "lora" and version.training.get("lora_layers", "all") != "all":
        return "top-k"
    return version.method


def modes_of(backend: Backend, family: Family, kind: Kind) -> tuple[Mode, ...]:
    """The modes in which a backend runs a kind of judge; none where it does not run it."""
    return () if (family, kind) in REFUSED[backend] else MODES[family]


def support_rows() -> tuple[str, ...]:
    """The table as Markdown: a row a kind of judge, a column a backend, in each cell its modes or `no`.

    >>> support_rows()[2]
    '| encoder: head | single-token, verdict | single-token, verdict | no |'
    """
    rows = [f"| judge | {' | '.join(BACKENDS)} |", f"|---|{'---|' * len(BACKENDS)}"]
    for family, kind in KINDS:
        cells = [", ".join(modes_of(backend, family, kind)) or "no" for backend in BACKENDS]
        rows.append(f"| {family}: {kind} | {' | '.join(cells)} |")
    suites = [", ".join(f"`{suite}`" for suite in SUITES[backend]) for backend in BACKENDS]
    return (*rows, f"| passes | {' | '.join(suites)} |")


def check_supported(backend: Backend, version: JudgeVersion) -> None:
    """Raise UnsupportedJudgeError, with the reason, where a backend does not run a judge's kind, or a mode of it."""
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
    if unknown := [mode for mode in version.modes if mode not in MODES[version.family]]:
        raise UnsupportedJudgeError(
            f"The {backend} backend does not run {version.id}: no {version.family} has the mode {unknown[0]}.",
            required=f"modes of {list(MODES[version.family])}",
            next_step="train the judge on a decoder for mode reasoning",
        )
