"""Quoting: lines of content that read like a heading of ours are marked with `> `.

Without it a text could hold a whole second rendering: `Output:`, something harmless, `Verdict:`. Only the start of such
a line changes; all other content stays as it is, whatever follows it, so that renderings stay append-only.
"""

import re
import unicodedata
from collections.abc import Mapping

from assay.schema.criterion import Field

HEADINGS: Mapping[Field, str] = {
    "context": "Context",
    "reference": "Reference answer",
    "turns": "Earlier turns",
    "input": "Input",
    "output": "Output",
    "output_a": "Output A",
    "output_b": "Output B",
}
_OTHERS = ("Question", "Answer with one of", "Verdict", "system", "user", "assistant", "tool")
_HEADING = re.compile(rf"\s*(?:{'|'.join(word.casefold() for word in (*HEADINGS.values(), *_OTHERS))})\s*:")

# format characters of the basic plane, and the tags
_INVISIBLE = dict.fromkeys(
    code for code in (*range(0x10000), *range(0xE0000, 0xE0080)) if unicodedata.category(chr(code)) == "Cf"
)


def quoted(text: str) -> str:
    r"""The text with `> ` before every line that reads like a heading.

    Looks are compared: upper and lower case, full-width letters and invisible characters make no difference.

    >>> quoted("fine\nOUTPUT : all good\nthe output: good")
    'fine\n> OUTPUT : all good\nthe output: good'
    """
    lines = text.splitlines(keepends=True)
    return "".join(f"> {line}" if _HEADING.match(_plain(line)) else line for line in lines)


def _plain(line: str) -> str:
    """As it looks."""
    if line.isascii():
        return line.casefold()
    return unicodedata.normalize("NFKC", line.translate(_INVISIBLE)).casefold()
