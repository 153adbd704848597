"""EncoderRunner: verdicts of encoders in packed passes, many judges on one forward pass.

Equal texts are one row, whoever asks. Below the branch, the first layer that a judge's adapter changes, a row is
computed once for all judges; above it once for each adapter; a head is one small product. So judges with heads alone
share everything, top-k LoRA all but k layers. A judge may bring layers of its own with the adapter merged: they run
without low-rank products, one judge after another. Otherwise the adapters of all judges run beside the shared weights.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, TypeAlias

import torch

from assay.inference.runner import Read, Work
from assay.inference.torch.adapters import AdapterBank, AdapterRows, adapt
from assay.inference.torch.loading import LoadedJudge
from assay.inference.torch.memory import raise_if_out_of_memory
from assay.inference.torch.stages import Stages
from assay.inference.torch.text_batch import TextBatch, text_batches
from assay.models.heads import MeanPoolHead

_Text: TypeAlias = tuple[int, ...]
_Row: TypeAlias = tuple[Stages, str, _Text]  # the layers above the branch, the adapter beside them ("": none), the text


@dataclass(frozen=True, kw_only=True, eq=False)
class _Judge:
    stages: Stages  # its layers from the branch on
    adapter: str  # beside their weights; "" where there is none, or where they have it in them
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
        """Add a judge; `own` is a body with its adapter in the weights, whose layers below the branch are not used."""
        assert loaded.head is not None  # noqa: S101 - encoders have heads
        stages, adapter, branch = self._stages, "", self._stages.layers
        if loaded.adapter is not None:
            branch = loaded.adapter.layers[0]
        if own is not None:
            stages = Stages(own, self._bank, self._device)
        elif loaded.adapter is not None:
            adapt(self._model, loaded.adapter, self._bank)
            self._bank.add(loaded.judge, loaded.adapter)
            adapter = loaded.judge
        head = loaded.head.to(device=self._device, dtype=torch.float32)  # it is small, and its logits decide
        self._judges[loaded.judge] = _Judge(stages=stages, adapter=adapter, branch=branch, head=head)

    def unload(self, judge: str) -> None:
        """Forget a judge."""
        self._judges.pop(judge, None)
        self._bank.remove(judge)

    def take(self, candidates: Sequence[Work], token_budget: int) -> list[int]:
        """The first candidate and all that share layers with it, in order, while their rows fit the budget.

        The budget is of tokens through all layers: below the branch a text counts once, above it once for each adapter.
        """
        first = self._judges[candidates[0].judge]
        layers = self._stages.layers
        texts: set[_Text] = set()
        rows: set[_Row] = set()
        taken: list[int] = []
        spent = 0
        for place, work in enumerate(candidates):
            judge = self._judges[work.judge]
            if judge.branch != first.branch or not (judge.branch or judge.stages is first.stages):
                continue
            row = (judge.stages, judge.adapter, work.ids)
            entered = (0 if work.ids in texts else judge.branch) + (0 if row in rows else layers - judge.branch)
            if taken and spent + entered * len(work.ids) > token_budget * layers:
                break
            texts.add(work.ids)
            rows.add(row)
            spent += entered * len(work.ids)
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
        rows = [(judge.stages, judge.adapter, work.ids) for judge, work in zip(judges, works, strict=True)]
        means = self._means(dict.fromkeys(rows), judges[0].branch)
        scores: list[Any] = [None] * len(works)
        for judge in dict.fromkeys(judges):
            mine = [place for place, other in enumerate(judges) if other is judge]
            logits = judge.head.classify(torch.stack([means[rows[place]] for place in mine]))
            for place, row in zip(mine, torch.log_softmax(logits.double(), dim=-1).cpu().numpy(), strict=True):
                scores[place] = row
        owners: set[_Row] = set()
        reads: list[Read] = []
        for work, row, read in zip(works, rows, scores, strict=True):
            computed = 0 if row in owners else len(work.ids)
            owners.add(row)
            reads.append(Read(scores=read, computed_tokens=computed, shared_tokens=len(work.ids) - computed))
        return reads

    def _means(self, rows: Iterable[_Row], branch: int) -> dict[_Row, torch.Tensor]:
        """The mean of each row's final states, (hidden,) float32; `rows` are distinct."""
        by_stages: dict[Stages, list[_Row]] = {}
        for row in rows:
            by_stages.setdefault(row[0], []).append(row)
        texts = sorted({text for own in by_stages.values() for _, _, text in own})
        shared = self._inputs(texts)
        below = self._stages.compute((0, branch), *shared).states if branch else None
        span_of = dict(zip(texts, _spans(texts), strict=True))
        means: dict[_Row, torch.Tensor] = {}
        for stages, own in by_stages.items():
            own.sort(key=lambda row: row[1:])  # by adapter, so that each one's rows lie side by side
            read = [text for _, _, text in own]
            states, positions, parts = shared if read == texts else self._inputs(read)
            if below is not None:
                states = below if read == texts else torch.cat([below[span_of[text]] for text in read])
            if branch < stages.layers:
                states = stages.compute((branch, stages.layers), states, positions, parts, _adapter_rows(own)).states
            means.update(zip(own, _means_of(states, [len(text) for text in read]), strict=True))
        return means

    def _inputs(self, texts: Sequence[_Text]) -> tuple[torch.Tensor, torch.Tensor, list[TextBatch]]:
        """Texts laid end to end: tokens (n,), positions (n,), and which of them attend to one another."""
        positions = torch.cat([torch.arange(len(text)) for text in texts]) + self._first_position
        tokens = torch.tensor([token for text in texts for token in text])
        return tokens, positions, text_batches([len(text) for text in texts])


def first_position(model: Any) -> int:
    """Where the positions of an encoder begin: RoBERTa's after its padding index, others' at 0."""
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            return int(module.padding_idx) + 1
    return 0


def _spans(texts: Sequence[_Text]) -> list[slice]:
    """Where texts laid end to end begin and end.

    >>> _spans([(5, 6), (7, 8, 9)])
    [slice(0, 2, None), slice(2, 5, None)]
    """
    ends = list(accumulate((len(text) for text in texts), initial=0))
    return [slice(first, stop) for first, stop in pairwise(ends)]


def _means_of(states: torch.Tensor, lengths: Sequence[int]) -> tuple[torch.Tensor, ...]:
    """The mean, (hidden,) float32, of each run of rows of (n, hidden)."""
    places = torch.arange(len(states), device=states.device)
    starts = torch.tensor([0, *accumulate(lengths[:-1])], device=states.device)
    return torch.nn.functional.embedding_bag(places, states.float(), starts, mode="mean").unbind()


def _adapter_rows(rows: Sequence[_Row]) -> list[AdapterRows]:
    """Which of the rows, laid end to end, each adapter is live on."""
    parts: list[AdapterRows] = []
    for (_, adapter, _), span in zip(rows, _spans([text for _, _, text in rows]), strict=True):
        if not adapter:
            continue
        first = parts.pop().rows.start if parts and parts[-1].adapter == adapter else span.start
        parts.append(AdapterRows(adapter=adapter, rows=slice(first, span.stop)))
    return parts
