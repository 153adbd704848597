"""The trainable model under a small judge: token rows in, one logit a label out, for encoders and decoders alike.

Training builds one with `new_model` and saves it with `save_parts` into the judge's folder, from which the engine reads
what it needs (`inference.torch.loading`).
"""

from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch import nn

from assay.models.backbone import Backbone
from assay.models.heads import MeanPoolHead, label_rows
from assay.models.lora import LoraShape, activated, add_lora, save_lora
from assay.schema.errors import InputError, shown
from assay.schema.judge_version import Method

BACKBONE_FOLDER = "backbone"  # method `full`: the fine-tuned weights
TOKENIZER_FOLDER = "tokenizer"
LOGIT_TOLERANCE = 1e-3  # of the largest logit; float32 rounding stays far below, a scaled logit far above


class EncoderModel(nn.Module):
    """An encoder with a classification head."""

    def __init__(self, body: nn.Module, head: MeanPoolHead) -> None:
        super().__init__()
        self.body = body
        self.head = head

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Logits over the labels. Shapes: (batch, tokens) twice → (batch, labels) float32."""
        states = self.body(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        logits: torch.Tensor = self.head(states, attention_mask)
        return logits


class DecoderModel(nn.Module):
    """A decoder whose verdict is read from the label tokens' logits after the row's last token.

    What may follow a row (in training: its label's token, an explanation, the end token) cannot change the verdict.
    """

    def __init__(self, body: nn.Module, label_token_ids: tuple[int, ...]) -> None:
        super().__init__()
        self.body = body
        self.label_token_ids: torch.Tensor
        self.register_buffer("label_token_ids", torch.tensor(label_token_ids), persistent=False)

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        *,
        row_length: torch.Tensor | None = None,
        adapter_from: torch.Tensor | None = None,
        said: torch.Tensor | None = None,
    ) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """Logits of the label tokens, (batch, labels) float32; with `said` also those of the vocabulary where it asks.

        Args:
            input_ids: (batch, tokens), right-padded.
            attention_mask: (batch, tokens).
            row_length: (batch,) tokens up to the verdict; None: all that the mask counts.
            adapter_from: (batch,) where an activated LoRA goes live; None looks for the invocation.
            said: (batch, tokens) bool, positions at which the next token is wanted: (n, vocabulary) float32.

        """
        causal: Any = self.body
        if isinstance(self.body, PeftModel):
            causal = self.body.get_base_model()
        with activated(self.body, input_ids, adapter_from):
            states = causal.base_model(
                input_ids=input_ids, attention_mask=attention_mask, use_cache=False
            ).last_hidden_state
        softcap = getattr(causal.config.get_text_config(), "final_logit_softcapping", None)
        rows = attention_mask
        if row_length is not None:
            rows = torch.arange(input_ids.shape[1], device=input_ids.device) < row_length[:, None]
        output = causal.get_output_embeddings()
        logits = label_rows(states, rows, output, self.label_token_ids, softcap)
        if said is None:
            return logits
        following = output(states[said]).float()
        return logits, following if softcap is None else softcap * torch.tanh(following / softcap)


SmallJudgeModel = EncoderModel | DecoderModel


def new_model(
    backbone: Backbone,
    method: Method,
    labels: int,
    label_token_ids: tuple[int, ...] = (),
    *,
    lora: LoraShape | None = None,
) -> SmallJudgeModel:
    """A model ready to train: what the method trains requires gradients, the rest does not.

    Word embeddings stay frozen under `full`: on small data they move little, and they are most of a small encoder's
    bytes. Raises InputError for a decoder whose output layer is not read as it should (`check_label_rows`).
    """
    # on a CPU fused attention has a slow backward pass: a step of 16 x 150 tokens took 0.79 s with it, 0.65 s without
    plain = backbone.family == "encoder" and not torch.cuda.is_available()
    body: nn.Module = backbone.load(attention="eager" if plain else None)
    if backbone.family == "decoder":
        check_label_rows(DecoderModel(body, label_token_ids))
    if method in ("lora", "alora"):
        body = add_lora(body, backbone, lora or LoraShape())
    else:
        body.requires_grad_(method == "full")
        body.get_input_embeddings().requires_grad_(False)  # type: ignore[operator]
    if backbone.family == "decoder":
        return DecoderModel(body, label_token_ids)
    return EncoderModel(body, MeanPoolHead(backbone.config.get_text_config().hidden_size, labels))


@torch.inference_mode()
def check_label_rows(model: DecoderModel) -> None:
    """Compare the label rows with the model's own output on a short input. Raises InputError where they differ.

    Some architectures do more to the output layer's logits than a soft cap (Granite divides them, Cohere multiplies
    them); their verdicts would be read wrong.
    """
    ids = model.label_token_ids.repeat(2).unsqueeze(0)
    ours = model(ids, torch.ones_like(ids))
    body: Any = model.body
    theirs = body(input_ids=ids, use_cache=False).logits[:, -1, model.label_token_ids].float()
    if (ours - theirs).abs().max() > LOGIT_TOLERANCE * theirs.abs().max():
        raise InputError(
            f"The verdict of a {type(body).__name__} cannot be read: it changes the logits of its output layer.",
            required="logits that are the output layer's, soft-capped or not (Llama, Qwen, Gemma, Mistral, Phi, …)",
            got=f"{shown(ours[0].tolist())}, where the model itself gives {shown(theirs[0].tolist())}",
            next_step="choose another backbone",
        )


def save_parts(model: SmallJudgeModel, folder: Path, backbone: Backbone, method: Method) -> None:
    """Write what the method trained, and the tokenizer, into a judge's folder (safetensors only)."""
    if method in ("lora", "alora"):
        save_lora(model.body, folder, backbone)  # type: ignore[arg-type]
    if method == "full":
        model.body.save_pretrained(folder / BACKBONE_FOLDER, safe_serialization=True)  # type: ignore[operator]
    if isinstance(model, EncoderModel):
        model.head.save(folder)
    backbone.load_tokenizer().save_pretrained(folder / TOKENIZER_FOLDER)
