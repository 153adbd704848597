"""Ask and Answer: what goes to a language model and what comes back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

BYTES_A_TOKEN = (
    2  # fewer than any tokenizer needs for ordinary text: estimates made with it are too high, never too low
)


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One question. `schema` is a JSON schema that the answer is to follow, where the endpoint can enforce one.

    `max_answer_tokens` bounds the answer of a model that does not think aloud; one that does gets `THINKING_TOKENS`
    more.
    """

    system: str
    user: str
    max_answer_tokens: int
    schema: Mapping[str, Any] | None = None
    logprobs: bool = False
    temperature: float = 0.0

    @property
    def tokens_at_most(self) -> int:
        """Tokens of the question, estimated too high."""
        return len((self.system + self.user).encode("utf-8", "replace")) // BYTES_A_TOKEN + 64


@dataclass(frozen=True, kw_only=True)
class TokenChoice:
    """One token of an answer: its text, and the log-probabilities of the likeliest texts in its place."""

    text: str
    alternatives: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back. `choices` is empty where the endpoint gives no log-probabilities."""

    text: str
    model: str
    tokens_in: int
    tokens_out: int
    choices: tuple[TokenChoice, ...] = ()
