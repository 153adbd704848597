"""User text made fit to be shown: one line, bounded, nothing in it that hides, reorders or cannot be written down.

A judged text may hold control characters, half surrogates or direction overrides; in a report or on a card they could
break the file or show something else than what was judged. Escaping for HTML is the template's part.
"""

import unicodedata

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_JOINERS = "\u200c\u200d"  # format characters that many scripts and emoji need
_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn")


def plain(text: str, limit: int = 80) -> str:
    r"""The text on one line, at most `limit` characters, its middle left out where it is longer.

    >>> plain("one\ntwo\x00")
    'one two�'
    >>> plain("abcdefghijklmnop", limit=11)
    'abcde…lmnop'
    """
    if len(text) > 4 * limit:
        text = f"{text[: 2 * limit]}{text[-2 * limit :]}"
    line = " ".join("".join(map(_shown, text)).split())
    if len(line) <= limit:
        return line
    half = (limit - 1) // 2
    return f"{line[: limit - 1 - half]}…{line[-half:]}"


def _shown(char: str) -> str:
    if char.isspace() or char in _JOINERS:
        return char
    return REPLACEMENT if unicodedata.category(char) in _HIDDEN else char
