"""Low-rank products of many adapters against one adapter at a time, written out."""

import random

import pytest
import torch

from assay.inference.torch.adapters import AdapterBank, AdapterRows, adapt, adapting
from assay.models.adapter import Adapter

WIDTH, OUT = 12, 20


def adapter(seed: int, rank: int = 4, modules: tuple[str, ...] = ("layers.0.first", "layers.0.second")) -> Adapter:
    generator = torch.Generator().manual_seed(seed)
    sizes = {"layers.0.first": (WIDTH, OUT), "layers.0.second": (OUT, WIDTH)}
    tensors = {
        name: (
            torch.randn(rank, sizes[name][0], generator=generator),
            torch.randn(sizes[name][1], rank, generator=generator),
        )
        for name in modules
    }
    return Adapter(rank=rank, scaling=0.5, tensors=tensors, layers=(0,), invocation_tokens=())


class Two(torch.nn.Module):
    """Two linear layers, named as a backbone's would be."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        layer = torch.nn.Module()
        layer.first, layer.second = torch.nn.Linear(WIDTH, OUT), torch.nn.Linear(OUT, WIDTH)
        self.layers = torch.nn.ModuleList([layer])

    def forward(self, x):
        return self.layers[0].second(torch.relu(self.layers[0].first(x)))


def one_at_a_time(model: Two, x: torch.Tensor, whose: list[Adapter | None]) -> torch.Tensor:
    first, second = model.layers[0].first, model.layers[0].second
    weights = [getattr(part, "linear", part) for part in (first, second)]
    rows = []
    for given, own in zip(x, whose, strict=True):
        row = given
        for place, (name, linear) in enumerate(zip(("layers.0.first", "layers.0.second"), weights, strict=True)):
            down_up = own.tensors.get(name) if own is not None else None
            y = linear(row)
            if down_up is not None:
                y = y + own.scaling * (down_up[1] @ (down_up[0] @ row))
            row = torch.relu(y) if place == 0 else y
        rows.append(row)
    return torch.stack(rows)


CASES = {
    "equally many rows": [("a", 3), ("b", 3), ("c", 3)],
    "runs of equally many rows": [("a", 4), ("b", 4), ("c", 3), ("d", 3)],
    "unequally many rows": [("a", 1), ("b", 5), ("c", 2), ("d", 4)],
    "one adapter": [("b", 4)],
    "another rank between": [("a", 3), ("other rank", 3), ("b", 3)],
    "another module between": [("a", 2), ("one module", 2), ("b", 2)],
    "too many rows to pad": [("a", 200), ("b", 3)],
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("before", [0, 5])
@torch.inference_mode()
def test_every_row_gets_its_own_adapter_and_no_other(case, before):
    adapters = {
        "a": adapter(1),
        "b": adapter(2),
        "c": adapter(3),
        "d": adapter(6),
        "other rank": adapter(4, rank=2),
        "one module": adapter(5, modules=("layers.0.second",)),
    }
    model, bank = Two(), AdapterBank(torch.float32, torch.device("cpu"))
    for name, own in adapters.items():
        adapt(model, own, bank)
        bank.add(name, own)
    parts, whose, first = [], [None] * before, before
    for name, count in CASES[case]:
        parts.append(AdapterRows(adapter=name, rows=slice(first, first + count)))
        whose += [adapters[name]] * count
        first += count
    x = torch.randn(first, WIDTH, generator=torch.Generator().manual_seed(9))
    with adapting(bank.batches(parts)):
        got = model(x[None])[0]
    assert torch.allclose(got, one_at_a_time(model, x, whose), atol=1e-4)
    assert torch.allclose(model(x[None])[0], one_at_a_time(model, x, [None] * first), atol=1e-5)  # nothing is left live


@torch.inference_mode()
def test_an_adapter_added_again_under_its_name_is_the_new_one():
    model, bank = Two(), AdapterBank(torch.float32, torch.device("cpu"))
    x = torch.randn(4, WIDTH)
    parts = [AdapterRows(adapter="a", rows=slice(0, 2)), AdapterRows(adapter="b", rows=slice(2, 4))]
    for seed in random.Random(0).sample(range(100), 3):
        for name, shift in (("a", 0), ("b", 100)):
            bank.remove(name)
            adapt(model, adapter(seed + shift), bank)
            bank.add(name, adapter(seed + shift))
        with adapting(bank.batches(parts)):
            got = model(x[None])[0]
        whose = [adapter(seed)] * 2 + [adapter(seed + 100)] * 2
        assert torch.allclose(got, one_at_a_time(model, x, whose), atol=1e-4)
