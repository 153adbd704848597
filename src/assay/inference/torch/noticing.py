"""Noticing whether a model's attention can be packed, instead of assuming it.

Some models ignore transformers' attention functions silently (DeBERTa), some refuse them (ModernBERT), some do more
than the function is told. So the packed model is run once, on requests of which two begin alike and that reach beyond a
short sliding window, and its states are compared with those of the model's own attention, one request at a time.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from assay.inference.torch.adapters import AdapterBank
from assay.inference.torch.attention import IMPLEMENTATION, Part
from assay.inference.torch.encoder import first_position
from assay.inference.torch.packing import new_nodes, packed
from assay.inference.torch.prefix_tree import PrefixTree
from assay.inference.torch.stages import Stages
from assay.inference.torch.text_batch import text_batches
from assay.schema.judge_version import Family

_TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 6e-2}  # relative, over all states; a wrong mask gives about 1
_LENGTHS = (40, 23, 36)
_SHARED = 9


@torch.inference_mode()
def can_be_packed(model: Any, family: Family, device: torch.device) -> bool:
    """Whether packed passes give the states that the model gives by itself. `model` carries our attention."""
    body = model if family == "encoder" else model.base_model
    vocabulary = model.config.get_text_config().vocab_size
    # ids from the middle of the vocabulary: padding and other special tokens stand at its ends
    rows = [
        [vocabulary // 2 + (7 * place + shift) % 97 - 48 for place in range(length)]
        for shift, length in zip((0, 31, 17), _LENGTHS, strict=True)
    ]
    rows[1][:_SHARED] = rows[0][:_SHARED]
    try:
        ours = _packed_states(model, body, family, device, rows)
        theirs = _own_states(body, device, rows)
    except (AttributeError, KeyError, NotImplementedError, RuntimeError, TypeError, ValueError):
        return False
    error = (ours.float() - theirs.float()).norm() / theirs.float().norm()
    return bool(error <= _TOLERANCE.get(model.dtype, 1e-3))


def _packed_states(
    model: Any, body: nn.Module, family: Family, device: torch.device, rows: list[list[int]]
) -> torch.Tensor:
    stages = Stages(body, AdapterBank(model.dtype, device), device)
    # in two ranges where the model allows it, as judges that share layers will run
    if family == "encoder":
        positions = torch.cat([torch.arange(len(row)) for row in rows]) + first_position(model)
        tokens = torch.tensor([token for row in rows for token in row])
        return _through(stages, tokens, positions, text_batches([len(row) for row in rows]))
    tree = PrefixTree(0)
    tree.tick()
    ends = [tree.path("noticing", [(None, tuple(row))], 0)[0] for row in rows]
    pass_ = packed(new_nodes(ends))
    states = _through(stages, pass_.ids, pass_.positions, pass_.blocks)
    order = [place for end in ends for node in end.lineage() for place in range(node.rows.start, node.rows.stop)]  # type: ignore[union-attr]
    return states[order]


def _through(stages: Stages, tokens: torch.Tensor, positions: torch.Tensor, parts: Sequence[Part]) -> torch.Tensor:
    middle = stages.layers // 2
    if middle:
        tokens = stages.compute((0, middle), tokens, positions, parts).states
    return stages.compute((middle, stages.layers), tokens, positions, parts).states


def _own_states(body: Any, device: torch.device, rows: list[list[int]]) -> torch.Tensor:
    """The model's own attention, one row at a time."""
    body.set_attn_implementation("eager")
    try:
        states = [body(input_ids=torch.tensor([row], device=device)).last_hidden_state[0] for row in rows]
    finally:
        body.set_attn_implementation(IMPLEMENTATION)
    return torch.cat(states)
