"""Head: the classifier on top of an encoder, and the rows of a decoder's output layer that read the verdict."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

HEAD_FILE = "head.safetensors"


class MeanPoolHead(nn.Module):
    """Mean of the token states, dropout, one linear layer: logits over the labels.

    The mean suits backbones trained as sentence encoders (MiniLM) and needs no pooler weights.
    """

    def __init__(self, hidden_size: int, labels: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(hidden_size, labels)

    def forward(
        self,
        states: torch.Tensor,  # (batch, tokens, hidden)
        attention_mask: torch.Tensor,  # (batch, tokens), 1 for tokens that count
    ) -> torch.Tensor:  # (batch, labels), float32
        """Logits over the labels."""
        mask = attention_mask.unsqueeze(-1)
        return self.classify((states.float() * mask).sum(dim=1) / mask.sum(dim=1))

    def classify(self, means: torch.Tensor) -> torch.Tensor:
        """Logits over the labels from means of token states. Shapes: (batch, hidden) → (batch, labels) float32."""
        logits: torch.Tensor = self.classifier(self.dropout(means).to(self.classifier.weight.dtype))
        return logits.float()

    def save(self, folder: Path) -> None:
        """Write `head.safetensors` into a folder."""
        save_file({name: tensor.contiguous() for name, tensor in self.state_dict().items()}, folder / HEAD_FILE)

    @classmethod
    def load(cls, folder: Path) -> "MeanPoolHead":
        """Read `head.safetensors`, in evaluation mode."""
        tensors = load_file(folder / HEAD_FILE)
        labels, hidden_size = tensors["classifier.weight"].shape
        head = cls(hidden_size, labels)
        head.load_state_dict(tensors)
        return head.eval()


def label_rows(
    states: torch.Tensor,  # (batch, tokens, hidden): final states of a decoder, right-padded
    attention_mask: torch.Tensor,  # (batch, tokens)
    output_layer: Any,  # nn.Linear with or without a bias
    label_token_ids: torch.Tensor,  # (labels,)
    softcap: float | None,
) -> torch.Tensor:  # (batch, labels), float32
    """Logits of the label tokens at the last position: k rows of the output layer at 1 of n positions, nothing else."""
    last = attention_mask.sum(dim=1).long() - 1
    state = states[torch.arange(states.shape[0], device=states.device), last]
    bias = None if output_layer.bias is None else output_layer.bias[label_token_ids]
    logits = nn.functional.linear(state, output_layer.weight[label_token_ids], bias).float()
    return logits if softcap is None else softcap * torch.tanh(logits / softcap)
