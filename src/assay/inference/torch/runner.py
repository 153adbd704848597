"""TorchRunner: the torch backend's Runner. The first judge brings the backbone; others join where they share it."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import torch

from assay.inference.footprint import PREFIX_BYTES
from assay.inference.runner import Read, Work
from assay.inference.support import check_supported
from assay.inference.torch.attention import IMPLEMENTATION
from assay.inference.torch.blocked_linear import block_weights
from assay.inference.torch.decoder import DecoderRunner
from assay.inference.torch.device import best_device, torch_dtype
from assay.inference.torch.encoder import EncoderRunner
from assay.inference.torch.encoder_layer import quicken
from assay.inference.torch.layer_range import layers_of
from assay.inference.torch.loading import (
    LoadedJudge,
    drop_layers_below,
    find_body,
    load_judge,
    merge,
    round_parameters,
    share_outside_layers,
)
from assay.inference.torch.norms import replace_norms
from assay.inference.torch.noticing import can_be_packed
from assay.inference.torch.padded import PaddedRunner
from assay.models.adapter import Adapter
from assay.models.backbone import Backbone
from assay.schema.errors import EngineLostError, IntegrityError, UnsupportedJudgeError
from assay.schema.judge_version import NO_PLACES, JudgeVersion, Places

_Inner: TypeAlias = DecoderRunner | EncoderRunner | PaddedRunner


class TorchRunner:
    """See `inference.runner.Runner`.

    Args:
        alone: this engine will run one judge only: its adapter is merged into the weights, which saves the low-rank
            products. Activated LoRA is never merged.
        cache_bytes: memory for shared prefixes (decoders).
        copy_bytes: memory for copies of the layers that a judge's adapter changes in an encoder, the adapter merged:
            judges share no work there, and the low-rank products cost a short text alone half as much again. Where
            the memory is spent the adapter stays beside the weights.
        places: the folders of backbones that do not lie where they did when their judges were trained.

    """

    def __init__(
        self,
        *,
        device: torch.device | None = None,
        alone: bool = False,
        cache_bytes: int = PREFIX_BYTES,
        copy_bytes: int = 0,
        places: Places = NO_PLACES,
    ) -> None:
        self._device = device or best_device()
        self._alone = alone
        self._cache_bytes = cache_bytes
        self._copy_bytes = copy_bytes
        self._places = places
        self._layer_bytes: list[int] = []  # of each layer
        self._copied: dict[str, int] = {}  # bytes of judges' own layers
        self._weights: tuple[str, str] | None = None  # digest and dtype of the backbone
        self._inner: _Inner | None = None
        self._loading = threading.Lock()

    @property
    def backend(self) -> str:
        """`torch`."""
        return "torch"

    @property
    def device(self) -> str:
        """See Runner."""
        return str(self._device)

    @property
    def explains(self) -> bool:
        """See Runner."""
        return self._inner is not None and self._inner.explains

    @property
    def packs(self) -> bool:
        """Whether the model's attention is packed (else rows are padded)."""
        return self._inner is not None and not isinstance(self._inner, PaddedRunner)

    def load(self, version: JudgeVersion, folder: Path) -> Callable[[], None]:
        """See Runner."""
        check_supported("torch", version)
        with self._loading:
            backbone = find_body(version, folder, self._places)
            loaded = load_judge(version, folder)
            self._check_shared(version, backbone)
            if self._inner is None:
                inner, loaded = self._first(version, backbone, loaded)
                self._weights = (backbone.ref.weights_digest, version.dtype)
                self._inner = inner
            ready = self._inner
            if isinstance(ready, EncoderRunner) and (own := self._own_layers(version, backbone, loaded, ready)):
                return lambda: ready.install(loaded, own)
        return lambda: ready.install(loaded)

    def unload(self, judge: str) -> None:
        """See Runner."""
        self._runner.unload(judge)
        self._copied.pop(judge, None)

    def take(self, candidates: Sequence[Work], token_budget: int) -> list[int]:
        """See Runner."""
        return self._runner.take(candidates, token_budget)

    def run(self, works: Sequence[Work]) -> list[Read]:
        """See Runner."""
        return self._runner.run(works)

    @property
    def _runner(self) -> _Inner:
        if self._inner is None:
            raise EngineLostError("The engine has no model yet.", next_step="add a judge")
        return self._inner

    def _check_shared(self, version: JudgeVersion, backbone: Backbone) -> None:
        if self._weights is None:
            return
        if self._alone:
            raise UnsupportedJudgeError("This engine runs one judge alone.", next_step="build an engine that is shared")
        if self._weights != (backbone.ref.weights_digest, version.dtype):
            raise UnsupportedJudgeError(
                f"Judge {version.id} does not share this engine's backbone.",
                required=f"weights {self._weights[0][:16]}… in {self._weights[1]}",
                got=f"{backbone.ref.weights_digest[:16]}… in {version.dtype}",
                next_step="give it an engine of its own",
            )

    def _first(self, version: JudgeVersion, backbone: Backbone, loaded: LoadedJudge) -> tuple[_Inner, LoadedJudge]:
        """The model, and the judge as it will run on it."""
        adapter = loaded.adapter if self._alone and loaded.adapter and not loaded.adapter.invocation_tokens else None
        model = self._body(version, backbone, adapter)
        loaded = loaded if adapter is None else loaded.merged()
        if model.config._attn_implementation != IMPLEMENTATION or not can_be_packed(
            model, version.family, self._device
        ):
            model.set_attn_implementation("sdpa" if model._supports_sdpa else "eager")
            pad = getattr(backbone.config.get_text_config(), "pad_token_id", None)
            return PaddedRunner(model, version.family, self._device, pad_id=pad or 0), loaded
        self._layer_bytes = [sum(part.nbytes for part in layer.parameters()) for layer in layers_of(model)[1]]
        _make_fast(model)
        if version.family == "encoder":
            return EncoderRunner(model, self._device), loaded
        return DecoderRunner(model, self._device, cache_bytes=self._cache_bytes), loaded

    def _own_layers(
        self, version: JudgeVersion, backbone: Backbone, loaded: LoadedJudge, inner: EncoderRunner
    ) -> Any | None:
        """A body whose layers from the judge's branch on are its own, or None without an adapter or memory for them."""
        if loaded.adapter is None:
            return None
        branch = loaded.adapter.layers[0]
        wanted = sum(self._layer_bytes[branch:])
        if sum(self._copied.values()) + wanted > self._copy_bytes:
            return None
        model = self._body(version, backbone, loaded.adapter)
        drop_layers_below(model, branch)
        _make_fast(model)
        share_outside_layers(model, inner.model)
        self._copied[version.id] = wanted
        return model

    def _body(self, version: JudgeVersion, backbone: Backbone, adapter: Adapter | None) -> Any:
        """The model in the judge's number format, with an adapter in its weights."""
        dtype = torch_dtype(version.dtype)
        model = _load(backbone, dtype if adapter is None else torch.float32)
        if adapter is not None:
            merge(model, adapter)
            round_parameters(model, dtype)
        return model.to(self._device).eval().requires_grad_(False)


def _make_fast(model: Any) -> None:
    """Norms of one kernel, blocked weights, layers in the fewest calls; nothing reads the weights after that."""
    replace_norms(model)
    block_weights(model)
    quicken(model)


def _load(backbone: Backbone, dtype: torch.dtype) -> Any:
    """The backbone with our attention where it takes it, with its own where it does not."""
    try:
        return backbone.load(dtype, attention=IMPLEMENTATION)
    except IntegrityError:  # it may only refuse the attention; a damaged one is refused again
        return backbone.load(dtype)
