"""Some layers of a model as a model of their own: what lies below a branch is computed once, what lies above per judge.

    lower, upper = LayerRange(body, 0, 5), LayerRange(body, 5, 6)
    states = lower(input_ids, positions)       # before the last norm
    final = upper(states, positions)           # after it, where the range ends at the top

No architecture's code is rewritten: the model's own forward runs, with the other layers replaced by ones that pass
their input on. The layers themselves are shared with the model.
"""

import copy
from typing import Any

import torch
from torch import nn


class _Passing(nn.Module):
    """Passes its input on; the first one of a range may put states in, the last may take them out."""

    def __init__(self) -> None:
        super().__init__()
        self.given: torch.Tensor | None = None
        self.seen: torch.Tensor | None = None

    def forward(self, hidden_states: torch.Tensor, *others: Any, **more: Any) -> torch.Tensor:
        """Shape kept: (1, tokens, hidden)."""
        del others, more
        if self.given is not None:
            return self.given
        self.seen = hidden_states
        return hidden_states


class LayerRange:
    """Layers `first` up to, not including, `stop` of a model without a task head."""

    def __init__(self, body: nn.Module, first: int, stop: int) -> None:
        path, layers = layers_of(body)
        self._first = first
        self._passing = _Passing()
        self._taking = _Passing()
        whole = first == 0 and stop == len(layers)
        self._ends = stop == len(layers)
        self._turns = any("rotary" in name for name, _ in body.named_modules())  # else positions end at the embeddings
        self._body = body
        if not whole:
            own = [
                self._passing if place < first else self._taking if place >= stop else layer
                for place, layer in enumerate(layers)
            ]
            self._body = _with_layers(body, path.split("."), nn.ModuleList(own))

    def __call__(
        self,
        tokens: torch.Tensor,  # (n,) int64 ids, or (n, hidden) states where the range does not begin at 0
        positions: torch.Tensor,  # (n,) int64
    ) -> torch.Tensor:  # (n, hidden)
        """States after the last layer of the range (and the model's last norm where the range ends at the top)."""
        inputs: dict[str, torch.Tensor] = {}
        if self._first == 0:
            inputs["input_ids"] = tokens[None]
        else:
            self._passing.given = tokens[None]
            # one row is enough: it is replaced before the first layer of the range
            inputs["inputs_embeds"] = tokens[None, :1]
            positions = positions if self._turns else positions[:1]
        output = self._body(**inputs, position_ids=positions[None], **_options(self._body))
        if self._ends:
            final: torch.Tensor = output.last_hidden_state[0]
            return final
        seen, self._taking.seen = self._taking.seen, None
        assert seen is not None  # noqa: S101 - the first layer above the range ran
        return seen[0]


def layers_of(body: nn.Module) -> tuple[str, nn.ModuleList]:
    """Name and list of a model's numbered layers."""
    count = body.config.get_text_config().num_hidden_layers  # type: ignore[union-attr,operator]
    for name, module in body.named_modules():
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return name, module
    raise ValueError(f"{type(body).__name__} has no list of {count} layers")


def _options(body: nn.Module) -> dict[str, bool]:
    # encoders have no cache, and some do not know the word
    return {"use_cache": False} if getattr(body.config, "use_cache", None) is not None else {}


def _with_layers(module: nn.Module, path: list[str], layers: nn.ModuleList) -> nn.Module:
    """A shallow copy of a module with other layers at a path; everything else is shared."""
    if not path:
        return layers
    copied = copy.copy(module)
    copied._modules = dict(module._modules)
    child = module._modules[path[0]]
    assert child is not None  # noqa: S101 - `layers_of` found the path
    copied._modules[path[0]] = _with_layers(child, path[1:], layers)
    return copied
