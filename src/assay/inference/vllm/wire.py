"""What is said to a vLLM server and what it answers, as plain values: `/v1/completions` and `/v1/models`.

A verdict is asked for as one token after the row, with the log-probabilities of exactly the label tokens
(`logprob_token_ids`: neither cut to the most probable, nor changed by the temperature). They are over the whole
vocabulary; log-softmax over the labels makes of them what the other backends give, whatever the server subtracted:

    score_i = l_i - log Σ_j exp(l_j)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import log_softmax

from assay.schema.errors import shown

MOST_LABELS = 128  # vLLM's own limit on logprob_token_ids
_LOWEST = -9999.0  # what vLLM writes for -inf, which JSON has not
# A server may have other defaults (--override-generation-config, or the model's own generation_config.json).
_GREEDY: Mapping[str, Any] = {
    "temperature": 0.0,
    "top_p": 1.0,
    "top_k": 0,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "n": 1,
}


class MalformedAnswer(Exception):  # noqa: N818 - the fleet handles it; it never reaches a caller
    """A server answered with something that is not what was asked for."""


@dataclass(frozen=True, kw_only=True)
class ServedModel:
    """A model, base or adapter, as `/v1/models` lists it."""

    id: str
    root: str  # the folder or hub id that it was loaded from
    parent: str | None  # of an adapter: the id of its base model
    max_model_len: int | None  # of a base model: tokens of prompt and answer together


def scoring(model: str, ids: Sequence[int], label_tokens: Sequence[int]) -> dict[str, Any]:
    """The body of a request for label scores."""
    return {
        **_GREEDY,
        "model": model,
        "prompt": list(ids),
        "max_tokens": 1,
        "logprobs": len(label_tokens),
        "logprob_token_ids": list(label_tokens),
        "return_tokens_as_token_ids": True,
    }


def explaining(model: str, ids: Sequence[int], max_tokens: int) -> dict[str, Any]:
    """The body of a request for the tokens that follow."""
    return {**_GREEDY, "model": model, "prompt": list(ids), "max_tokens": max_tokens, "return_token_ids": True}


def label_scores(answer: Mapping[str, Any], label_tokens: Sequence[int]) -> np.ndarray:
    """Scores (k,) float64, log-softmax over the labels, from the answer to `scoring`. Raises MalformedAnswer.

    >>> given = {"token_id:5": -2.0, "token_id:7": -2.0, "token_id:1": -0.1}
    >>> label_scores({"choices": [{"logprobs": {"top_logprobs": [given]}}]}, [5, 7]).round(4).tolist()
    [-0.6931, -0.6931]
    """
    try:
        given = answer["choices"][0]["logprobs"]["top_logprobs"][0]
        found = np.array([float(given[f"token_id:{token}"]) for token in label_tokens])
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise MalformedAnswer(f"no log-probability of every label token ({type(error).__name__})") from None
    scores: np.ndarray = log_softmax(np.where(found <= _LOWEST, -np.inf, found))
    return scores


def explanation(answer: Mapping[str, Any]) -> tuple[tuple[int, ...], bool]:
    """The tokens without the end token, and whether the limit cut them, from the answer to `explaining`.

    Raises MalformedAnswer.
    """
    try:
        choice = answer["choices"][0]
        tokens, reason = tuple(int(token) for token in choice["token_ids"]), choice["finish_reason"]
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise MalformedAnswer(f"no token ids ({type(error).__name__})") from None
    ended = reason == "stop"  # only an end token stops it, and it stands at the end
    return (tokens[:-1] if ended else tokens), not ended


def shared_tokens(answer: Mapping[str, Any]) -> int:
    """Tokens of the prompt that the server had in its prefix cache; 0 where it does not say
    (--enable-prompt-tokens-details).
    """
    details = (answer.get("usage") or {}).get("prompt_tokens_details") or {}
    return int(details.get("cached_tokens") or 0)


def served_models(answer: Mapping[str, Any]) -> tuple[ServedModel, ...]:
    """The models in the answer of `/v1/models`. Raises MalformedAnswer."""
    try:
        return tuple(
            ServedModel(
                id=str(card["id"]),
                root=str(card.get("root") or card["id"]),
                parent=card.get("parent"),
                max_model_len=card.get("max_model_len"),
            )
            for card in answer["data"]
        )
    except (KeyError, TypeError, AttributeError):
        raise MalformedAnswer(f"no list of models: {shown(answer)}") from None
