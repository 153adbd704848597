"""ServedJudge: a judge as a vLLM server needs it, made once from the judge's verified folder."""

import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from assay.inference.support import check_supported
from assay.inference.vllm.probes import Probes, read_probes
from assay.inference.vllm.wire import MOST_LABELS
from assay.schema.errors import IntegrityError, UnsupportedJudgeError, shown
from assay.schema.ids import digest_json
from assay.schema.judge_version import JudgeVersion

ADAPTER_FOLDER = "adapter"
WEIGHTS_FOLDER = "backbone"
_WEIGHTS = ".safetensors"
_NAME_CHARS = 32  # of a SHA-256: 128 bits, so that two adapters never share a name
# What vLLM 0.32 refuses, or reads as something else than PEFT does.
_REFUSED = (
    "alora_invocation_tokens",
    "use_dora",
    "use_qalora",
    "use_bdlora",
    "arrow_config",
    "lora_bias",
    "layer_replication",
    "modules_to_save",
    "trainable_token_indices",
    "target_parameters",
)


@dataclass(frozen=True, kw_only=True)
class ServedJudge:
    """What is asked of a server for one judge.

    `adapter_name` is a content digest: a server keeps what it computed under a name, and would go on using it for
    another adapter of the same name. It is None for a judge with weights of its own (`full`).
    """

    id: str
    base_names: tuple[str, ...]  # names under which a server may serve the base weights
    weights_digest: str  # of the base weights
    adapter_name: str | None
    adapter_folder: str | None  # as the server sees it
    label_tokens: tuple[int, ...]
    max_tokens: int  # of a row
    probes: Probes | None


def served_judge(version: JudgeVersion, folder: Path, judges_folder: str | None = None) -> ServedJudge:
    """A judge for vLLM. `judges_folder` is where the server sees the folder that holds `folder`.

    Raises UnsupportedJudgeError for what vLLM does not run, IntegrityError for a folder without its adapter.
    """
    check_supported("vllm", version)
    labels = tuple(version.rendering.label_tokens[label] for label in version.criterion.labels)
    if len(labels) > MOST_LABELS:
        raise UnsupportedJudgeError(
            "vLLM reads too few label tokens.", required=f"at most {MOST_LABELS} labels", got=f"{len(labels)}"
        )
    own = version.method == "full"
    if not own:
        _check_adapter(folder / ADAPTER_FOLDER)
    seen = str(folder.resolve()) if judges_folder is None else str(PurePosixPath(judges_folder) / folder.name)
    return ServedJudge(
        id=version.id,
        base_names=(version.id,) if own else _names(version.backbone.name),
        weights_digest=_own_weights(version) if own else version.backbone.weights_digest,
        adapter_name=None if own else _adapter_name(version),
        adapter_folder=None if own else f"{seen}/{ADAPTER_FOLDER}",
        label_tokens=labels,
        max_tokens=version.rendering.max_tokens,
        probes=read_probes(folder),
    )


def _names(backbone: str) -> tuple[str, ...]:
    """A hub id may carry a revision, which a server does not list."""
    return tuple(dict.fromkeys((backbone, backbone.partition("@")[0])))


def _adapter_name(version: JudgeVersion) -> str:
    files = {name: digest for name, digest in version.files.items() if name.startswith(f"{ADAPTER_FOLDER}/")}
    digest = digest_json({"files": files, "base": version.backbone.weights_digest})
    return f"assay-{digest[:_NAME_CHARS]}"


def _own_weights(version: JudgeVersion) -> str:
    """As `models.backbone` digests a folder's weights: the digests of its files, by name."""
    files = {PurePosixPath(name).name: digest for name, digest in version.files.items() if _is_weights(name)}
    return digest_json(files)


def _is_weights(name: str) -> bool:
    return name.startswith(f"{WEIGHTS_FOLDER}/") and name.endswith(_WEIGHTS)


def _check_adapter(folder: Path) -> None:
    try:
        config: dict[str, Any] = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise IntegrityError(
            "The judge's adapter cannot be read.",
            required="adapter_config.json in its folder",
            got=f"{type(error).__name__}: {shown(str(error), 120)}",
        ) from None
    refused = [name for name in _REFUSED if config.get(name)]
    if config.get("bias", "none") != "none":
        refused.append("bias")
    if refused or config.get("peft_type") != "LORA":
        raise UnsupportedJudgeError(
            "The judge's adapter is of a kind that vLLM does not run.",
            required="plain LoRA",
            got=f"{', '.join(refused)} set" if refused else f"peft_type {shown(config.get('peft_type'))}",
            next_step='train it with `assay train --method lora`, or set [engine] backend = "torch"',
        )
