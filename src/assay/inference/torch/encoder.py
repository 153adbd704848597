"""EncoderRunner: verdicts of encoders in packed passes, many judges on one forward pass.

Equal texts are one row, whoever asks. Below the branch a row is computed once; above it once for each adapter; heads
are one small product each. Judges with heads alone share everything, top-k LoRA all but k layers. A judge whose adapter
changes every layer shares no work, so it may bring layers of its own with the adapter merged: passes of its own,
without low-rank products.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch

from assay.inference.runner import Read, Work
from assay.inference.torch.adapters import AdapterBank, AdapterRows, adapt
from assay.inference.torch.loading import LoadedJudge
from assay.inference.torch.memory import raise_if_out_of_memory
from assay.inference.torch.stages import Stages
from assay.inference.torch.text_batch import TextBatch, text_batches
from assay.models.heads import MeanPoolHead

_Pair: TypeAlias = tuple[str, tuple[int, ...]]  # an adapter, "" for none, and the text that it reads


@dataclass(frozen=True, kw_only=True, eq=False)
class _Judge:
    stages: Stages
    adapter: str | None  # None where there is none, or where the stages have it in their weights
    branch: int  # the first layer that its adapter changes; the number of layers for a head alone
    head: MeanPoolHead


class EncoderRunner:
    """See `inference.runner.Runner`."""

    explains = False

    def __init__(self, model: Any, device: torch.device) -> None:
        self._model = model
        self._device = device
        self._bank = AdapterBank(model.dtype, device)
        self._stages = Stages(model, self._bank, device)
        self._judges: dict[str, _Judge] = {}
        self._first_position = first_position(model)

    @property
    def model(self) -> Any:
        """The body that judges share."""
        return self._model

    def install(self, loaded: LoadedJudge, own: Any = None) -> None:
        """Add a judge; `own` is a body with its adapter in the weights."""
        assert loaded.head is not None  # noqa: S101 - encoders have heads
        branch = self._stages.layers
        stages = self._stages if own is None else Stages(own, self._bank, self._device)
        if loaded.adapter is not None:
            adapt(self._model, loaded.adapter, self._bank)
            self._bank.add(loaded.judge, loaded.adapter)
            branch = loaded.adapter.layers[0]
        head = loaded.head.to(device=self._device, dtype=torch.float32)  # it is small, and its logits decide
        self._judges[loaded.judge] = _Judge(
            stages=stages, adapter=loaded.judge if loaded.adapter is not None else None, branch=branch, head=head
        )

    def unload(self, judge: str) -> None:
        """Forget a judge."""
        self._judges.pop(judge, None)
        self._bank.remove(judge)

    def take(self, candidates: Sequence[Work], token_budget: int) -> list[int]:
        """The first candidate and all of its body and branch, in order, while their rows fit the budget."""
        first = self._judges[candidates[0].judge]
        rows: set[tuple[tuple[int, ...], str | None]] = set()
        taken: list[int] = []
        tokens = 0
        for place, work in enumerate(candidates):
            judge = self._judges[work.judge]
            if judge.stages is not first.stages or judge.branch != first.branch:
                continue
            row = (work.ids, judge.adapter)
            added = 0 if row in rows else len(work.ids)
            if taken and tokens + added > token_budget:
                break
            rows.add(row)
            tokens += added
            taken.append(place)
        return taken

    @torch.inference_mode()
    def run(self, works: Sequence[Work]) -> list[Read]:
        """See Runner."""
        try:
            return self._run(works)
        except RuntimeError as error:
            raise_if_out_of_memory(error)
            raise

    def _run(self, works: Sequence[Work]) -> list[Read]:
        judges = [self._judges[work.judge] for work in works]
        stages, branch = judges[0].stages, judges[0].branch
        # by adapter, so that each one's rows lie side by side
        wanted = [(judge.adapter or "", work.ids) for judge, work in zip(judges, works, strict=True)]
        pairs = sorted(set(wanted))
        own: dict[_Pair, slice] = {}
        states: torch.Tensor | None = None
        if branch:
            texts = list(dict.fromkeys(ids for _, ids in pairs))
            shared = dict(zip(texts, _spans(texts), strict=True))
            states = stages.compute((0, branch), *self._inputs(texts)).states
            own = {pair: shared[pair[1]] for pair in pairs}
        if branch < stages.layers:
            texts = [ids for _, ids in pairs]
            tokens, positions, parts = self._inputs(texts)
            if states is not None:
                tokens = torch.cat([states[own[pair]] for pair in pairs])
            own = dict(zip(pairs, _spans(texts), strict=True))
            computed = stages.compute((branch, stages.layers), tokens, positions, parts, _adapter_rows(own))
            states = computed.states
        assert states is not None  # noqa: S101 - a model has layers
        return self._reads(works, judges, [own[pair] for pair in wanted], states)

    def _inputs(self, rows: Sequence[tuple[int, ...]]) -> tuple[torch.Tensor, torch.Tensor, list[TextBatch]]:
        positions = torch.cat([torch.arange(len(row)) for row in rows]) + self._first_position
        tokens = torch.tensor([token for row in rows for token in row])
        return tokens, positions, text_batches([len(row) for row in rows])

    def _reads(
        self, works: Sequence[Work], judges: Sequence[_Judge], spans: Sequence[slice], states: torch.Tensor
    ) -> list[Read]:
        """Each judge's head on the mean of its rows' states."""
        distinct = list(dict.fromkeys((span.start, span.stop) for span in spans))
        means = torch.stack([states[first:stop].float().mean(dim=0) for first, stop in distinct])
        place_of = {span: place for place, span in enumerate(distinct)}
        scores: list[Any] = [None] * len(works)
        for judge in dict.fromkeys(judges):
            mine = [place for place, other in enumerate(judges) if other is judge]
            picked = means[[place_of[spans[place].start, spans[place].stop] for place in mine]]
            logits = judge.head.classify(picked)
            for place, row in zip(mine, torch.log_softmax(logits.double(), dim=-1).cpu().numpy(), strict=True):
                scores[place] = row
        owners: set[tuple[int, int]] = set()
        reads: list[Read] = []
        for work, span, row in zip(works, spans, scores, strict=True):
            first = (span.start, span.stop) not in owners
            owners.add((span.start, span.stop))
            computed = len(work.ids) if first else 0
            reads.append(Read(scores=row, computed_tokens=computed, shared_tokens=len(work.ids) - computed))
        return reads


def first_position(model: Any) -> int:
    """Where the positions of an encoder begin: RoBERTa's after its padding index, others' at 0."""
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            return int(module.padding_idx) + 1
    return 0


def _spans(rows: Sequence[tuple[int, ...]]) -> list[slice]:
    """Where rows laid end to end begin and end.

    >>> _spans([(5, 6), (7, 8, 9)])
    [slice(0, 2, None), slice(2, 5, None)]
    """
    spans: list[slice] = []
    first = 0
    for row in rows:
        spans.append(slice(first, first + len(row)))
        first += len(row)
    return spans


def _adapter_rows(own: Mapping[_Pair, slice]) -> list[AdapterRows]:
    parts: list[AdapterRows] = []
    for (adapter, _), span in own.items():
        if not adapter:
            continue
        if parts and parts[-1].adapter == adapter:
            parts[-1] = AdapterRows(adapter=adapter, rows=slice(parts[-1].rows.start, span.stop))
        else:
            parts.append(AdapterRows(adapter=adapter, rows=span))
    return parts
