"""Patterns that users write, on RE2: its time grows with the length of the text and with nothing else.

What RE2 has no linear time for (look-around, back-references) is refused when a pattern is read.
"""

from typing import Any

import re2

from assay.schema.errors import InputError, shown

MAX_PATTERN_CHARS = 1000
_OPTIONS = re2.Options()
_OPTIONS.log_errors = False  # RE2 would write to the error stream by itself


def linear(pattern: str) -> Any:
    """A pattern that is known to be one, on RE2."""
    return re2.compile(pattern, _OPTIONS)


def compile_pattern(pattern: str, where: str) -> Any:
    """A user's pattern on RE2. Raises InputError with what RE2 says."""
    if not 0 < len(pattern) <= MAX_PATTERN_CHARS:
        raise InputError(
            f"{where}: a pattern has a length.",
            required=f"1 to {MAX_PATTERN_CHARS} characters",
            got=f"{len(pattern)} characters",
        )
    try:
        return linear(pattern)
    except re2.error as error:
        said = error.args[0].decode("utf-8", "replace") if isinstance(error.args[0], bytes) else str(error)
        raise InputError(
            f"{where}: this is no pattern of RE2.",
            required="RE2 syntax (no look-around, no back-references), see github.com/google/re2/wiki/Syntax",
            got=shown(said),
        ) from None
