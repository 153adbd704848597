"""ActivationRanges: how the inputs of each linear layer map to 8-bit integers, fixed when a judge is quantised.

    ranges = measure_ranges(model, rows)      # rows of token ids, unlabelled
    save_ranges(ranges, folder)               # int8.safetensors
    ranges = load_ranges(folder)

    x ≈ scale · (q − 128) + shift             q in 0 … 255; one scale and one shift for each channel of the input

Ranges are fixed, not taken from the batch as dynamic quantisation does: a verdict must not depend on what it was
batched with. Channels have their own scale, because a few channels of an encoder are many times as large as the rest;
the scale is then shared out between activations and weights (SmoothQuant, Xiao et al. 2023), and the shift moves
into the bias.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from assay.inference.torch.gelu import gelu_pairs
from assay.schema.errors import IntegrityError, shown

RANGES_FILE = "int8.safetensors"
ZERO_POINT = 128
LEVELS = 255
# 0 leaves all of the unevenness in the activations, 1 moves all of it into the weights. On MiniLM the states after the
# sixth layer were off by 0.169, 0.098, 0.092 and 0.092 of their norm at 0, 0.5, 0.85 and 1.
SMOOTHING = 0.85
# Room beyond what was seen: on tiny models with ranges from 30 rows, unseen rows moved by up to 0.9 in the log-odds
# without it, rows that were seen by 0.07.
_ROOM = 1.25
_CLIPS = tuple(0.3 + 0.05 * step for step in range(15))  # shares of the widest range that are tried after GELU
_SAMPLED_TOKENS = 2048
_LEAST = 1e-6  # channels that never vary
_PARTS = ("scale", "shift", "mean")
_LAYERS = "layers"


@dataclass(frozen=True, kw_only=True, eq=False)
class ActivationRange:
    """The map of one linear layer's input, each (inputs,) float32; `mean` is the input's own, for the bias."""

    scale: torch.Tensor
    shift: torch.Tensor
    mean: torch.Tensor


@dataclass(kw_only=True, eq=False)
class _Seen:
    """What one input was seen to be; several linear layers may read it."""

    readers: list[nn.Linear]
    low: torch.Tensor  # (inputs,)
    high: torch.Tensor
    total: torch.Tensor
    tokens: int = 0
    sample: list[torch.Tensor] = field(default_factory=list)

    def see(self, states: torch.Tensor) -> None:  # (tokens, inputs)
        self.low = torch.minimum(self.low, states.amin(dim=0))
        self.high = torch.maximum(self.high, states.amax(dim=0))
        self.total += states.sum(dim=0)
        self.tokens += states.shape[0]
        if sum(map(len, self.sample)) < _SAMPLED_TOKENS:
            self.sample.append(states.clone())


@torch.inference_mode()
def measure_ranges(model: Any, layers: nn.Module, rows: Iterable[Sequence[int]]) -> dict[str, ActivationRange]:
    """Run rows of token ids through a float32 model, and choose a range for the input of each linear layer.

    Args:
        model: the encoder, its adapter merged.
        layers: the part of it whose linear layers are to be quantised.
        rows: token ids, one row at a time so that nothing is padded; at least one.

    Returns:
        Name of the linear layer inside `layers` → its range; layers that read one input have one range object.

    """
    names = {part: name for name, part in layers.named_modules() if isinstance(part, nn.Linear)}
    seen: dict[nn.Linear, _Seen] = {}
    inputs: list[tuple[torch.Tensor, _Seen]] = []  # of the running row; held, so that no id is used twice

    def watch(module: nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        assert isinstance(module, nn.Linear)  # noqa: S101 - hooks are put on linear layers
        shared = next((found for states, found in inputs if states is given[0]), None)
        if shared is not None:
            if module not in seen:
                shared.readers.append(module)
                seen[module] = shared
            return
        states = given[0].reshape(-1, given[0].shape[-1])
        if module not in seen:
            unseen = torch.full((states.shape[1],), float("inf"))
            seen[module] = _Seen(readers=[module], low=unseen, high=-unseen, total=torch.zeros(states.shape[1]))
        seen[module].see(states)
        inputs.append((given[0], seen[module]))

    hooks = [part.register_forward_pre_hook(watch) for part in names]
    try:
        for row in rows:
            inputs.clear()
            model(input_ids=torch.tensor([list(row)]))
    finally:
        for hook in hooks:
            hook.remove()
    after_gelu = {pair.down for pair in gelu_pairs(layers)}
    distinct = {id(found): found for found in seen.values()}
    chosen = {key: _chosen(found, even=found.readers[0] in after_gelu) for key, found in distinct.items()}
    return {names[part]: chosen[id(found)] for part, found in seen.items()}


def _chosen(seen: _Seen, *, even: bool) -> ActivationRange:
    """`even`: one scale and shift for all channels, as a product that ends in 8 bits itself can write."""
    mean = seen.total / seen.tokens
    if even:
        return _even_range(seen, mean)
    weights = torch.stack([reader.weight.abs().amax(dim=0) for reader in seen.readers]).amax(dim=0)
    # nothing seen is cut off: the few large channels of a layer norm carry much of the meaning
    reach = _ROOM * ((seen.high - seen.low) / 2).clamp(min=_LEAST)
    uneven = reach**SMOOTHING / weights.clamp(min=_LEAST) ** (1 - SMOOTHING)
    widest = (reach / uneven).max()
    return ActivationRange(scale=uneven * (2 * widest / LEVELS), shift=(seen.low + seen.high) / 2, mean=mean)


def _even_range(seen: _Seen, mean: torch.Tensor) -> ActivationRange:
    """The upper end that loses least, by the squared error of sampled tokens: after GELU one channel reaches far."""
    low, high = seen.low.min().clamp(max=0), seen.high.max().clamp(min=_LEAST)
    importance = torch.stack([reader.weight.square().sum(dim=0) for reader in seen.readers]).sum(dim=0)
    states = torch.cat(seen.sample)[:_SAMPLED_TOKENS]
    options = [_one_step(low, high * share, mean) for share in _CLIPS]
    errors = [((restored(quantised(states, one), one) - states).square() @ importance).sum() for one in options]
    return options[int(torch.stack(errors).argmin())]


def _one_step(low: torch.Tensor, high: torch.Tensor, mean: torch.Tensor) -> ActivationRange:
    step = (high - low) / LEVELS
    zero = torch.round(-low / step).clamp(0, LEVELS)
    return ActivationRange(
        scale=step.expand(len(mean)), shift=((ZERO_POINT - zero) * step).expand(len(mean)), mean=mean
    )


def quantised(states: torch.Tensor, given: ActivationRange) -> torch.Tensor:  # (tokens, inputs) → uint8
    """round((x − shift) / scale) + 128, cut at 0 and 255.

    >>> one = ActivationRange(scale=torch.tensor([0.5]), shift=torch.tensor([1.0]), mean=torch.tensor([1.0]))
    >>> quantised(torch.tensor([[1.0], [2.0], [99.0]]), one).flatten().tolist()
    [128, 130, 255]
    """
    return integers_of(states, given.scale.reciprocal(), offset_of(given))


def offset_of(given: ActivationRange) -> torch.Tensor:  # (inputs,) float32
    """What is added to x / scale before it is cut to an integer."""
    return ZERO_POINT + 0.5 - given.shift / given.scale  # the half: conversion to integers cuts


def integers_of(
    states: torch.Tensor,  # (tokens, inputs)
    steps: torch.Tensor,  # (inputs,) float32: 1 / scale
    offset: torch.Tensor,  # (inputs,) float32: of `offset_of`
) -> torch.Tensor:  # (tokens, inputs) uint8
    """`quantised`, for whoever does it often with one range."""
    numbers = torch.addcmul(offset, states, steps).clamp_(0, LEVELS)
    return numbers.to(torch.int16).to(torch.uint8)  # PyTorch converts float32 to uint8 one by one, these in vectors


def restored(numbers: torch.Tensor, given: ActivationRange) -> torch.Tensor:
    """What the numbers stand for, float32."""
    return (numbers.float() - ZERO_POINT) * given.scale + given.shift


def save_ranges(ranges: Mapping[str, ActivationRange], folder: Path) -> None:
    """Write `int8.safetensors` into a folder. Ranges that are one object share a number in it."""
    places = {key: str(place) for place, key in enumerate(dict.fromkeys(id(one) for one in ranges.values()))}
    tensors = {
        f"{places[id(one)]}.{part}": getattr(one, part).contiguous() for one in ranges.values() for part in _PARTS
    }
    # one entry: the order of several would differ in every process, and so would the digest
    layers = json.dumps({name: places[id(one)] for name, one in ranges.items()})
    save_file(tensors, folder / RANGES_FILE, metadata={_LAYERS: layers})


def load_ranges(folder: Path) -> dict[str, ActivationRange]:
    """Read `int8.safetensors`. Raises IntegrityError."""
    path = folder / RANGES_FILE
    try:
        tensors, places = load_file(path), _places(path)
        made = {
            place: ActivationRange(**{part: tensors[f"{place}.{part}"] for part in _PARTS})
            for place in set(places.values())
        }
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise IntegrityError(
            f"The ranges of a quantised judge cannot be read ({RANGES_FILE}).",
            required="the file that `assay quantize` wrote",
            got=f"{type(error).__name__}: {shown(str(error), 120)}",
            next_step="quantise the parent again",
        ) from None
    return {name: made[place] for name, place in places.items()}


def _places(path: Path) -> dict[str, str]:
    with safe_open(path, "pt") as file:
        layers: dict[str, str] = json.loads((file.metadata() or {})[_LAYERS])
    return layers
