"""Sentence embeddings of the offline backbone, for what takes a callable (the audit's search for wrong labels)."""

from collections.abc import Callable, Sequence

import numpy as np

from assay.api.extras import needs_models

MAX_TOKENS = 256
BATCH = 32


def embedder(backbone: str = "minilm") -> Callable[[Sequence[str]], np.ndarray]:
    """A function: texts → (n, d) float32, mean of the token states, of length one. Raises as `find_backbone`."""
    with needs_models():
        import torch  # noqa: PLC0415

        from assay.inference.torch.device import best_dtype, torch_dtype  # noqa: PLC0415
        from assay.models.backbone import find_backbone  # noqa: PLC0415

    found = find_backbone(backbone)
    model, tokenizer = found.load(torch_dtype(best_dtype())), found.load_tokenizer()
    window = min(MAX_TOKENS, found.window)

    @torch.inference_mode()
    def embed(texts: Sequence[str]) -> np.ndarray:
        order = np.argsort([len(text) for text in texts], kind="stable")
        pieces: list[np.ndarray] = [np.empty(0)] * len(texts)
        for start in range(0, len(order), BATCH):
            places = order[start : start + BATCH]
            rows = tokenizer(
                [texts[place] or " " for place in places],
                truncation=True,
                max_length=window,
                padding=True,
                return_tensors="pt",
            )
            mask = rows["attention_mask"]
            states = model(input_ids=rows["input_ids"], attention_mask=mask).last_hidden_state.float()
            pooled = (states * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)
            for place, vector in zip(places, torch.nn.functional.normalize(pooled).numpy(), strict=True):
                pieces[place] = vector
        return np.stack(pieces)

    return embed
