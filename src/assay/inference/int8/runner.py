"""Int8Runner: the int8 backend's Runner; and how a judge's ranges are measured when it is quantised.

    ranges = ranges_of(parent, folder, rows)             # once, by `assay quantize`
    LocalEngine(Int8Runner()).add(child, child_folder)   # at every load

Packing and attention are the torch backend's; only the linear layers differ. Each judge has a model of its own, because
its adapter is merged before the weights are rounded: judges in one engine take turns and share no pass.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from assay.inference.int8.linear import Int8Linear, OneProduct
from assay.inference.int8.quantising import quantise_layers
from assay.inference.int8.ranges import ActivationRange, load_ranges, measure_ranges
from assay.inference.runner import Read, Work
from assay.inference.support import check_supported
from assay.inference.torch.attention import IMPLEMENTATION
from assay.inference.torch.device import best_dtype, torch_dtype
from assay.inference.torch.encoder import EncoderRunner
from assay.inference.torch.encoder_layer import quicken
from assay.inference.torch.layer_range import layers_of
from assay.inference.torch.loading import LoadedJudge, find_body, load_judge, merge
from assay.inference.torch.noticing import can_be_packed
from assay.inference.torch.padded import PaddedRunner
from assay.models.backbone import Backbone
from assay.schema.errors import IntegrityError, UnsupportedJudgeError
from assay.schema.judge_version import NO_PLACES, JudgeVersion, Places

_CPU = torch.device("cpu")


class Int8Runner:
    """See `inference.runner.Runner`."""

    device = "cpu"
    explains = False

    def __init__(self, places: Places = NO_PLACES) -> None:
        self._places = places
        self._judges: dict[str, _Quantised] = {}

    @property
    def backend(self) -> str:
        """`int8`."""
        return "int8"

    def load(self, version: JudgeVersion, folder: Path) -> Callable[[], None]:
        """See Runner. Raises UnsupportedJudgeError for decoders and on processors without VNNI."""
        check_quantisable(version)
        made = _Quantised(version, folder, self._places)

        def install() -> None:
            self._judges[version.id] = made

        return install

    def unload(self, judge: str) -> None:
        """See Runner."""
        self._judges.pop(judge, None)

    def take(self, candidates: Sequence[Work], token_budget: int) -> list[int]:
        """Of the first candidate's judge, what its model packs together."""
        judge = candidates[0].judge
        mine = [place for place, work in enumerate(candidates) if work.judge == judge]
        taken = self._judges[judge].inner.take([candidates[place] for place in mine], token_budget)
        return [mine[place] for place in taken]

    def run(self, works: Sequence[Work]) -> list[Read]:
        """See Runner."""
        quantised = self._judges[works[0].judge]
        try:
            return quantised.inner.run(works)
        finally:
            for product in quantised.products:
                product.forget()

    def weight_bytes(self, judge: str) -> int:
        """Memory of a judge's weights, its backbone's included."""
        return self._judges[judge].weight_bytes


class _Quantised:
    """One judge's model with 8-bit linear layers."""

    inner: EncoderRunner | PaddedRunner
    products: list[OneProduct]
    weight_bytes: int

    def __init__(self, version: JudgeVersion, folder: Path, places: Places) -> None:
        model, loaded, backbone = _float_model(version, folder, places)
        exact = {name: part for name, part in layers_of(model)[1].named_modules() if isinstance(part, nn.Linear)}
        dtype = best_dtype()
        running = _loaded(backbone, torch_dtype(dtype))
        packs = running.config._attn_implementation == IMPLEMENTATION and can_be_packed(running, version.family, _CPU)
        if not packs:
            running.set_attn_implementation("sdpa" if running._supports_sdpa else "eager")
        running.requires_grad_(False)
        layers = layers_of(running)[1]
        self.products = quantise_layers(layers, exact, load_ranges(folder), torch_dtype(dtype))
        if packs:
            quicken(running)
        pad = getattr(backbone.config.get_text_config(), "pad_token_id", None) or 0
        self.inner = EncoderRunner(running, _CPU) if packs else PaddedRunner(running, version.family, _CPU, pad_id=pad)
        self.inner.install(loaded)
        floats = sum(part.numel() * part.element_size() for part in running.parameters())
        integers = sum(part.weight_bytes for part in running.modules() if isinstance(part, Int8Linear))
        self.weight_bytes = floats + integers


def ranges_of(
    version: JudgeVersion, folder: Path, rows: Iterable[Sequence[int]], places: Places = NO_PLACES
) -> dict[str, ActivationRange]:
    """Measure a parent's ranges on rows of token ids (unlabelled). Raises UnsupportedJudgeError, as loading does."""
    check_quantisable(version)
    model = _float_model(version, folder, places)[0]
    model.set_attn_implementation("eager")
    return measure_ranges(model, layers_of(model)[1], rows)


def check_quantisable(version: JudgeVersion) -> None:
    """Raise UnsupportedJudgeError, with the reason, for a judge or a processor that the int8 backend does not serve."""
    check_supported("int8", version)
    if not torch.cpu._is_vnni_supported():
        raise UnsupportedJudgeError(
            "This processor cannot run int8 judges.",
            required="an x86 processor with VNNI (AVX512_VNNI or AVX_VNNI): without it the products overflow",
            next_step="run the parent, in bfloat16 or float32",
        )


def _float_model(version: JudgeVersion, folder: Path, places: Places) -> tuple[Any, LoadedJudge, Backbone]:
    """The judge in float32, its adapter merged; what it adds; its backbone."""
    backbone = find_body(version, folder, places)
    loaded = load_judge(version, folder)
    model = _loaded(backbone, torch.float32)
    if loaded.adapter is not None:
        merge(model, loaded.adapter)
        loaded = LoadedJudge(judge=loaded.judge, adapter=None, head=loaded.head, label_token_ids=())
    return model.requires_grad_(False), loaded, backbone


def _loaded(backbone: Backbone, dtype: torch.dtype) -> Any:
    """The backbone with packed attention where it takes it, with its own where it does not."""
    try:
        return backbone.load(dtype, attention=IMPLEMENTATION)
    except IntegrityError:  # it may only refuse the attention; a damaged one is refused again
        return backbone.load(dtype)
