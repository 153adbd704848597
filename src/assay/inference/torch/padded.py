"""PaddedRunner: the fall-back for models that do not let their attention be packed (DeBERTa, ModernBERT, …).

Rows of like length are padded to the longest and run through the model's own attention, one adapter a pass. Nothing is
shared between requests; verdicts are the same.
"""

from collections.abc import Sequence
from typing import Any

import torch

from assay.inference.runner import Read, Work
from assay.inference.torch.adapters import AdapterBank, adapt, adapting
from assay.inference.torch.loading import LoadedJudge, end_tokens
from assay.inference.torch.memory import raise_if_out_of_memory
from assay.inference.torch.padding import padded
from assay.models.heads import label_rows
from assay.schema.errors import UnsupportedJudgeError
from assay.schema.judge_version import Family


class PaddedRunner:
    """See `inference.runner.Runner`."""

    def __init__(self, model: Any, family: Family, device: torch.device, *, pad_id: int = 0) -> None:
        self.explains = family == "decoder"
        self._model = model
        self._body = model if family == "encoder" else model.base_model
        self._device = device
        self._pad_id = pad_id
        self._bank = AdapterBank(model.dtype, device)
        self._judges: dict[str, LoadedJudge] = {}

    def install(self, loaded: LoadedJudge) -> None:
        """Add a judge. Raises UnsupportedJudgeError for activated LoRA."""
        if loaded.adapter is not None and loaded.adapter.invocation_tokens:
            raise UnsupportedJudgeError(
                "This backbone does not let its attention be packed, so activated LoRA cannot run on it.",
                required="--method lora or full for this backbone",
            )
        if loaded.adapter is not None:
            adapt(self._model, loaded.adapter, self._bank)
            self._bank.add(loaded.judge, loaded.adapter)
        if loaded.head is not None:
            loaded.head.to(device=self._device, dtype=torch.float32)
        self._judges[loaded.judge] = loaded

    def unload(self, judge: str) -> None:
        """Forget a judge."""
        self._judges.pop(judge, None)
        self._bank.remove(judge)

    def take(self, candidates: Sequence[Work], token_budget: int) -> list[int]:
        """Requests of the first one's judge, of lengths near its own, while the padded batch fits the budget."""
        first = candidates[0]
        mine = [
            place for place, work in enumerate(candidates) if work.judge == first.judge and work.reads == first.reads
        ]
        mine.sort(key=lambda place: abs(len(candidates[place].ids) - len(first.ids)))
        taken: list[int] = []
        longest = 0
        for place in mine:
            longest = max(longest, len(candidates[place].ids))
            if taken and (len(taken) + 1) * longest > token_budget:
                break
            taken.append(place)
        return taken

    @torch.inference_mode()
    def run(self, works: Sequence[Work]) -> list[Read]:
        """See Runner."""
        judge = self._judges[works[0].judge]
        ids, mask = padded([work.ids for work in works], self._pad_id)
        ids, mask = ids.to(self._device), mask.to(self._device)
        batches = self._bank.everywhere(judge.judge) if judge.adapter is not None else []
        try:
            with adapting(batches):
                states = self._body(input_ids=ids, attention_mask=mask).last_hidden_state
        except RuntimeError as error:
            raise_if_out_of_memory(error)
            raise
        if works[0].reads == "next-token":
            return self._next_tokens(works, states, mask)
        if judge.head is not None:
            logits = judge.head(states, mask)
        else:
            labels = torch.tensor(judge.label_token_ids, device=self._device)
            softcap = getattr(self._model.config.get_text_config(), "final_logit_softcapping", None)
            logits = label_rows(states, mask, self._model.get_output_embeddings(), labels, softcap)
        scores = torch.log_softmax(logits.double(), dim=-1).cpu().numpy()
        return [Read(scores=row, computed_tokens=len(work.ids)) for work, row in zip(works, scores, strict=True)]

    def _next_tokens(self, works: Sequence[Work], states: torch.Tensor, mask: torch.Tensor) -> list[Read]:
        last = states[torch.arange(len(works), device=self._device), mask.sum(dim=1) - 1]
        tokens = self._model.get_output_embeddings()(last).argmax(dim=-1).tolist()
        ends = end_tokens(self._model)
        return [
            Read(token=None if token in ends else token, computed_tokens=len(work.ids))
            for work, token in zip(works, tokens, strict=True)
        ]
