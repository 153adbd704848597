"""Limits: how much one request may ask for, as [serving] of assay.toml says. Checked before anything is read closely.

Tokens are estimated as admission does. A span is a request by itself; how many make a conversation is bounded by the
event queue.
"""

from assay.schema.errors import InputError
from assay.serving.admission import CHARS_PER_TOKEN, estimated_tokens
from assay.serving.settings import ServingSettings


class TooLargeError(InputError):
    """More to judge than one request may hold."""

    code = "too-large"


def check_request(limits: ServingSettings, *, judges: int, chars: int) -> None:
    """So many judges may judge a text of this length. Raises InputError (too many), TooLargeError."""
    if judges > limits.max_judges:
        raise InputError(
            "The request names too many judges.",
            required=f"at most {limits.max_judges}",
            got=str(judges),
            next_step="send several requests, or raise max_judges of [serving] in assay.toml",
        )
    check_tokens(limits, judges=judges, chars=chars)


def check_tokens(limits: ServingSettings, *, judges: int, chars: int) -> None:
    """A text of this length may be judged by so many judges. Raises TooLargeError."""
    tokens = estimated_tokens(chars, judges)
    if tokens > limits.max_request_tokens:
        raise TooLargeError(
            "There is more to judge than one request may hold.",
            required=f"at most {limits.max_request_tokens} tokens, {CHARS_PER_TOKEN} characters each, for every judge",
            got=f"about {tokens}",
            next_step="send less text or ask fewer judges, or raise max_request_tokens of [serving] in assay.toml",
        )
