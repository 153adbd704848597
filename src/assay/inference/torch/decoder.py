"""DecoderRunner: verdicts of decoders in packed passes.

One pass: a path through the prefix tree for each request, what is new laid out in rows, the layers run over them, and
the label rows of the output layer multiplied at each path's last token; nothing is padded, nothing is computed twice
that a kept prefix, another request of the pass, or an unchanged layer has.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from assay.inference.footprint import PREFIX_BYTES
from assay.inference.runner import OutOfMemory, Read, Work
from assay.inference.torch.adapters import AdapterBank, adapt
from assay.inference.torch.loading import LoadedJudge, end_tokens
from assay.inference.torch.memory import raise_if_out_of_memory
from assay.inference.torch.packing import PackedPass, new_nodes, packed
from assay.inference.torch.prefix_tree import Kept, Node, PrefixTree, Run
from assay.inference.torch.rope import longest_short
from assay.inference.torch.stages import Computed, Stages

_MISFITS = 16  # candidates in a row that do not fit before a pass is full


@dataclass(frozen=True, kw_only=True, eq=False)
class _Judge:
    """What a judge adds to the shared model."""

    adapter: str | None
    branch: int  # the first layer that its adapter changes
    weight: torch.Tensor  # (k, hidden), its rows of the output layer; float32: bfloat16 has steps of .125 at 20
    bias: torch.Tensor | None  # (k,) float32


class DecoderRunner:
    """See `inference.runner.Runner`; `TorchRunner` loads what it installs."""

    explains = True

    def __init__(self, model: Any, device: torch.device, *, cache_bytes: int = PREFIX_BYTES) -> None:
        config = model.config.get_text_config()
        self._model = model
        self._device = device
        self._bank = AdapterBank(model.dtype, device)
        self._stages = Stages(model.base_model, self._bank, device)
        self._tree = PrefixTree(cache_bytes)
        self._judges: dict[str, _Judge] = {}
        self._softcap: float | None = getattr(config, "final_logit_softcapping", None)
        self._longest_short = longest_short(config)
        self._ends = end_tokens(model)

    def install(self, loaded: LoadedJudge) -> None:
        """Add a judge."""
        output = self._model.get_output_embeddings()
        ids = torch.tensor(loaded.label_token_ids, device=self._device)
        branch = 0
        if loaded.adapter is not None:
            adapt(self._model, loaded.adapter, self._bank)
            self._bank.add(loaded.judge, loaded.adapter)
            branch = 0 if loaded.adapter.invocation_tokens else loaded.adapter.layers[0]
        self._judges[loaded.judge] = _Judge(
            adapter=loaded.judge if loaded.adapter is not None else None,
            branch=branch,
            weight=output.weight[ids].float(),
            bias=None if output.bias is None else output.bias[ids].float(),
        )

    def unload(self, judge: str) -> None:
        """Forget a judge, and what was computed under its adapter."""
        self._judges.pop(judge, None)
        self._bank.remove(judge)
        self._tree.forget(judge)

    def take(self, candidates: Sequence[Work], token_budget: int) -> list[int]:
        """The first candidate, and those after it that share its rope regime and branch, up to the budget."""
        self._tree.tick()
        group = self._group(candidates[0])
        taken: list[int] = []
        ends: list[Node] = []
        tokens = misfits = 0
        for place, work in enumerate(candidates):
            if self._group(work) != group:
                continue
            end, added = self._path(work)
            ends.append(end)
            if taken and tokens + added > token_budget:
                misfits += 1
                if misfits == _MISFITS:
                    break
                continue
            tokens += added
            taken.append(place)
        self._tree.settle(new_nodes(ends))
        return taken

    def run(self, works: Sequence[Work]) -> list[Read]:
        """See Runner. A pass that does not fit beside the kept prefixes is run once more without them."""
        try:
            return self._run(works)
        except OutOfMemory:
            if not self._tree.bytes:
                raise
            self._tree.clear()
        return self._run(works)  # after the handler, whose traceback holds the tensors of the first try

    @torch.inference_mode()
    def _run(self, works: Sequence[Work]) -> list[Read]:
        self._tree.tick()
        branch, _ = self._group(works[0])
        paths = [self._path(work) for work in works]
        ends = [end for end, _ in paths]
        nodes = new_nodes(ends)
        lower_ends = [self._lower_path(work) for work in works] if branch else []
        lower_nodes = new_nodes(lower_ends)
        try:
            upper = packed(nodes)
            tokens = upper.ids
            if branch:
                lower = packed(lower_nodes)
                below = self._computed((0, branch), lower, lower.ids)
                tokens = _states_above(upper, ends, lower_ends, below.states)
            states = self._computed((branch, self._stages.layers), upper, tokens).states
            return [self._read(work, states, *path) for work, path in zip(works, paths, strict=True)]
        except RuntimeError as error:
            raise_if_out_of_memory(error)
            raise
        finally:
            self._tree.settle([*nodes, *lower_nodes])

    def _group(self, work: Work) -> tuple[int, bool]:
        """What requests of one pass have in common: the branch, and the rope regime."""
        return self._judges[work.judge].branch, len(work.ids) > self._longest_short

    def _path(self, work: Work) -> tuple[Node, int]:
        judge = self._judges[work.judge]
        at = work.adapter_from if judge.adapter is not None else len(work.ids)
        runs: list[Run] = [(None, work.ids[:at]), (judge.adapter, work.ids[at:])]
        return self._tree.path((*self._group(work), "above"), runs, work.lasting)

    def _lower_path(self, work: Work) -> Node:
        return self._tree.path((*self._group(work), "below"), [(None, work.ids)], work.lasting)[0]

    def _computed(self, layers: tuple[int, int], pass_: PackedPass, tokens: torch.Tensor) -> Computed:
        """Run a range of layers, and keep what lasts."""
        lasting = [node for node in pass_.nodes if node.lasts] if self._tree.keeps else []
        computed = self._stages.compute(
            layers, tokens, pass_.positions, pass_.blocks, pass_.adapters, keep=bool(lasting)
        )
        below_a_branch = layers[1] < self._stages.layers
        for node in lasting:
            self._tree.keep(node, _kept(node, computed, layers, with_states=below_a_branch))
        return computed

    def _read(self, work: Work, states: torch.Tensor, end: Node, added: int) -> Read:
        assert end.rows is not None  # noqa: S101 - the last node of a path is always new
        state = states[end.rows.stop - 1]
        shared = len(work.ids) - added
        if work.reads == "next-token":
            token = int(self._model.get_output_embeddings()(state).argmax())
            ended = token in self._ends
            return Read(token=None if ended else token, computed_tokens=added, shared_tokens=shared)
        judge = self._judges[work.judge]
        logits = torch.nn.functional.linear(state.float(), judge.weight, judge.bias)
        if self._softcap is not None:
            logits = self._softcap * torch.tanh(logits / self._softcap)
        scores = torch.log_softmax(logits.double(), dim=-1).cpu().numpy()
        return Read(scores=scores, computed_tokens=added, shared_tokens=shared)


def _kept(node: Node, computed: Computed, layers: tuple[int, int], *, with_states: bool) -> Kept:
    """A node's share of what a pass computed, in memory of its own."""
    rows = node.rows
    assert rows is not None  # noqa: S101 - it was in the pass
    pairs = [computed.keys_values[layer] for layer in range(*layers)]
    keys_values = torch.stack([torch.stack([key[0, :, rows], value[0, :, rows]]) for key, value in pairs])
    states = computed.states[rows].clone() if with_states else None
    return Kept(first_layer=layers[0], keys_values=keys_values, states=states)


def _states_above(
    upper: PackedPass,
    ends: Sequence[Node],
    lower_ends: Sequence[Node],
    states: torch.Tensor,  # (rows of the lower pass, hidden)
) -> torch.Tensor:  # (rows of the upper pass, hidden)
    """For each row above the branch the state that its token has below it, computed now or kept."""
    below = {id(node): lower for end, lower in zip(ends, lower_ends, strict=True) for node in end.lineage()}
    pieces: list[torch.Tensor] = []
    for node in upper.nodes:
        for lower in below[id(node)].lineage():
            first, stop = max(node.start, lower.start), min(node.stop, lower.stop)
            if first >= stop:
                continue
            own = slice(first - lower.start, stop - lower.start)
            if lower.kept is not None and lower.kept.states is not None and lower.rows is None:
                pieces.append(lower.kept.states[own])
            else:
                assert lower.rows is not None  # noqa: S101 - neither kept nor computed cannot be
                pieces.append(states[lower.rows.start + own.start : lower.rows.start + own.stop])
    return torch.cat(pieces)
