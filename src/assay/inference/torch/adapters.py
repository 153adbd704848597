"""Many LoRA adapters in one pass: each low-rank product on the rows of its own adapter, no `set_adapter`, no lock.

`adapt` puts an AdaptedLinear in the place of every linear layer that some adapter changes. Which rows belong to whom
comes with the running pass (`adapting`): the pass lays rows of one adapter side by side, so that adapters with equally
many rows are multiplied as one batch.
"""

import contextlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import nn

from assay.inference.torch.blocked_linear import BlockedLinear
from assay.models.adapter import Adapter

_MOST_RUNS = 3  # runs of adapters with equally many rows that are multiplied one after the other, unpadded
_MOST_PADDED_ROWS = 128  # an adapter with more rows is a product of its own, for padding would cost more than a call


_Stacks: TypeAlias = dict[tuple[str, ...], tuple[torch.Tensor, torch.Tensor]]


@dataclass(frozen=True, kw_only=True)
class AdapterRows:
    """Neighbouring rows of a pass that one adapter is live on."""

    adapter: str
    rows: slice

    @property
    def count(self) -> int:
        """How many rows."""
        return int(self.rows.stop - self.rows.start)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Batch:
    """Adapters of one shape whose rows are multiplied together: `adapters` x `rows_each` rows from `first` on.

    `rows_each` None is the whole input, whatever its rows. `gathered` picks the rows where the adapters have unequally
    many (each filled up to `rows_each`), and `real` says which of the picked ones are not fillers.
    """

    adapters: tuple[str, ...]
    rows_each: int | None
    first: int = 0
    gathered: torch.Tensor | None = None  # (adapters x rows_each,) int64
    real: torch.Tensor | None = None  # (rows,) int64


class AdapterBank:
    """The adapters of one model, in its number format and on its device."""

    def __init__(self, dtype: torch.dtype, device: torch.device) -> None:
        self._dtype = dtype
        self._device = device
        self._tensors: dict[str, dict[str, tuple[torch.Tensor, torch.Tensor]]] = {}
        self._shapes: dict[str, tuple[int, frozenset[str]]] = {}
        self._stacked: dict[str, _Stacks] = {}  # a few sets a module, the oldest first

    def add(self, name: str, adapter: Adapter) -> None:
        """Keep an adapter as (A^T (in, rank), scaling · B^T (rank, out)) of each module."""
        self._tensors[name] = {
            module: (self._own(down.T), self._own(adapter.scaling * up.float().T))
            for module, (down, up) in adapter.tensors.items()
        }
        self._shapes[name] = (adapter.rank, frozenset(adapter.tensors))

    def remove(self, name: str) -> None:
        """Forget an adapter."""
        self._tensors.pop(name, None)
        self._shapes.pop(name, None)
        for stacks in self._stacked.values():
            for names in [names for names in stacks if name in names]:
                del stacks[names]

    def everywhere(self, adapter: str) -> list[_Batch]:
        """One adapter live on all rows of all inputs: for passes that are not packed."""
        return [_Batch(adapters=(adapter,), rows_each=None)]

    def batches(self, parts: Sequence[AdapterRows]) -> list[_Batch]:
        """How a pass multiplies its adapters; neighbours of one shape go together."""
        batches: list[_Batch] = []
        for group in _neighbours(parts, self._shapes):
            runs = [list(run) for _, run in itertools.groupby(group, key=lambda part: part.count)]
            if len(runs) > _MOST_RUNS and max(part.count for part in group) <= _MOST_PADDED_ROWS:
                batches.append(self._padded(group))
                continue
            for run in runs:
                names = tuple(part.adapter for part in run)
                batches.append(_Batch(adapters=names, rows_each=run[0].count, first=run[0].rows.start))
        return batches

    def add_products(self, module: str, batches: Sequence[_Batch], x: torch.Tensor, y: torch.Tensor) -> None:
        """Y += scaling · x Aᵀ Bᵀ in place, on the rows of each adapter that changes the module.

        Shapes: x (tokens, in), y (tokens, out).
        """
        for batch in batches:
            if module not in self._shapes[batch.adapters[0]][1]:
                continue
            down, up = self._stack(module, batch.adapters)
            if batch.rows_each is None:
                y.addmm_(torch.mm(x, down[0]), up[0])
                continue
            several, each = len(batch.adapters), batch.rows_each
            if batch.gathered is not None and batch.real is not None:
                product = torch.bmm(torch.bmm(x[batch.gathered].view(several, each, -1), down), up)
                y.index_add_(0, batch.gathered[batch.real], product.view(several * each, -1)[batch.real])
                continue
            rows = slice(batch.first, batch.first + several * each)
            if several == 1:
                y[rows].addmm_(torch.mm(x[rows], down[0]), up[0])
            else:
                y[rows].view(several, each, -1).baddbmm_(torch.bmm(x[rows].view(several, each, -1), down), up)

    def _own(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.to(device=self._device, dtype=self._dtype).contiguous()

    def _padded(self, group: Sequence[AdapterRows]) -> _Batch:
        each = max(part.count for part in group)
        gathered = torch.full((len(group), each), group[0].rows.start, dtype=torch.int64)
        real = torch.zeros((len(group), each), dtype=torch.bool)
        for place, part in enumerate(group):
            gathered[place, : part.count] = torch.arange(part.rows.start, part.rows.stop)
            real[place, : part.count] = True
        return _Batch(
            adapters=tuple(part.adapter for part in group),
            rows_each=each,
            first=group[0].rows.start,
            gathered=gathered.view(-1).to(self._device),
            real=real.view(-1).nonzero().view(-1).to(self._device),
        )

    def _stack(self, module: str, names: tuple[str, ...]) -> tuple[torch.Tensor, torch.Tensor]:
        """(adapters, in, rank) and (adapters, rank, out); a few sets of names are kept, as many as a pass may have."""
        if len(names) == 1:
            down, up = self._tensors[names[0]][module]
            return down[None], up[None]
        stacks = self._stacked.setdefault(module, {})
        if names not in stacks:
            if len(stacks) == _MOST_RUNS:
                del stacks[next(iter(stacks))]
            pairs = [self._tensors[name][module] for name in names]
            stacks[names] = (torch.stack([pair[0] for pair in pairs]), torch.stack([pair[1] for pair in pairs]))
        return stacks[names]


def _neighbours(
    parts: Sequence[AdapterRows], shapes: Mapping[str, tuple[int, frozenset[str]]]
) -> Iterator[list[AdapterRows]]:
    """Runs of parts that touch one another and whose adapters have one shape."""
    group: list[AdapterRows] = []
    for part in parts:
        if group and (part.rows.start != group[-1].rows.stop or shapes[part.adapter] != shapes[group[-1].adapter]):
            yield group
            group = []
        group.append(part)
    if group:
        yield group


_adapting: ContextVar[Sequence[_Batch]] = ContextVar("assay_adapting", default=())


@contextlib.contextmanager
def adapting(batches: Sequence[_Batch]) -> Iterator[None]:
    """Within it, the adapted layers add the products of these batches."""
    token = _adapting.set(batches)
    try:
        yield
    finally:
        _adapting.reset(token)


class AdaptedLinear(nn.Module):
    """A linear layer of the backbone, plus the running pass's adapters."""

    def __init__(self, linear: nn.Module, module: str, bank: AdapterBank) -> None:
        super().__init__()
        self.linear = linear
        self._module = module
        self._bank = bank

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Shapes as the layer's own: (…, in) → (…, out)."""
        batches = _adapting.get()
        if not batches:
            y: torch.Tensor = self.linear(x)
            return y
        blocked = self.linear if isinstance(self.linear, BlockedLinear) else None
        y = blocked.plain(x) if blocked else self.linear(x)
        self._bank.add_products(self._module, batches, x.reshape(-1, x.shape[-1]), y.view(-1, y.shape[-1]))
        return blocked.ending(y) if blocked else y


def adapt(model: nn.Module, adapter: Adapter, bank: AdapterBank) -> None:
    """Put an AdaptedLinear wherever the adapter changes a layer that is not one yet. Raises KeyError for no such."""
    for name in adapter.tensors:
        parent_name, _, last = name.rpartition(".")
        parent = model.get_submodule(parent_name)
        linear = getattr(parent, last)
        if not isinstance(linear, AdaptedLinear):
            setattr(parent, last, AdaptedLinear(linear, name, bank))
