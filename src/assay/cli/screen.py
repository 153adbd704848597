"""Screen: what a command shows. For people on stdout; with `--json` on stderr, and one JSON object on stdout.

Knows nothing of what it shows. Texts are printed as they are: rich's markup is off, control characters are escaped.
"""

import json
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

_PLAIN_WIDTH = 140  # of a pipe or a file, which tell no width


class Screen:
    """The output of one command."""

    def __init__(self, *, json_wanted: bool = False) -> None:
        self.json_wanted = json_wanted
        file = sys.stderr if json_wanted else sys.stdout
        width = None if file.isatty() else _PLAIN_WIDTH
        self._console = Console(file=file, width=width, highlight=False, markup=False, emoji=False)

    def say(self, text: str = "", style: str | None = None) -> None:
        """One line or more, never wrapped."""
        self._console.print(Text(printable(text)), style=style, soft_wrap=True)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]], *, numbers_from: int = 1) -> None:
        """A table; columns from `numbers_from` on are set to the right."""
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for place, name in enumerate(columns):
            table.add_column(name, justify="right" if place >= numbers_from else "left", header_style="bold")
        for row in rows:
            table.add_row(*(Text(printable(str(cell))) for cell in row))
        self._console.print(table)

    def done(self, values: Mapping[str, Any]) -> None:
        """The command's result as one JSON object, when `--json` was given. Call once, at the end."""
        if self.json_wanted:
            print_json(values)


def print_json(values: Mapping[str, Any]) -> None:
    """One JSON object on one line of stdout, in ASCII, so that no terminal's encoding is in its way."""
    print(json.dumps(values, ensure_ascii=True, allow_nan=False), flush=True)


def printable(text: str) -> str:
    r"""Text whose control and format characters, but line feeds, are escaped: they could rewrite the terminal.

    >>> printable("a\x1b[2Jb")
    'a\\x1b[2Jb'
    """
    return "".join(char if char == "\n" or not _is_control(char) else ascii(char)[1:-1] for char in text)


def _is_control(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cf", "Cs")


def estimate(value: float | None, low: float | None = None, high: float | None = None) -> str:
    """A value with its interval, three decimals.

    >>> estimate(0.9341, 0.9, 0.96), estimate(None)
    ('0.934 (0.900 to 0.960)', '-')
    """
    if value is None:
        return "-"
    return f"{value:.3f}" if low is None or high is None else f"{value:.3f} ({low:.3f} to {high:.3f})"
