"""Text of rows: what cannot be stored, what cannot be read by anyone, and the normal form that makes duplicates equal.

Knows nothing of examples; used on raw values at the import and on judged text at the freeze.
"""

import math
import re
import unicodedata
from typing import Any

# PostgreSQL's text holds no NUL, and a lone surrogate has no UTF-8 form
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_INVISIBLE_CATEGORIES = ("Cc", "Cf", "Zs", "Zl", "Zp")
_MAX_DEPTH = 100


def unstorable(value: Any, where: str = "") -> str | None:
    r"""The first thing in a nest of plain values that cannot be stored, as `field: what`; None when all of it can.

    >>> unstorable({"meta": {"tags": ["a", "b\x00"]}})
    'meta.tags.1: a NUL character at position 2'
    >>> unstorable({"input": "tab\tand bell\x07 are kept"}) is None
    True
    """
    if isinstance(value, str):
        found = _UNSTORABLE.search(value)
        if found is None:
            return None
        kind = "a NUL character" if found.group() == "\x00" else "half of a surrogate pair"
        return f"{where}: {kind} at position {found.start() + 1}"
    if isinstance(value, float) and not math.isfinite(value):
        return f"{where}: {value!r} is not a finite number"
    if isinstance(value, dict):
        return _first_unstorable(list(value.items()), where)
    if isinstance(value, (list, tuple)):
        return _first_unstorable(list(enumerate(value)), where)
    return None


def _first_unstorable(items: list[tuple[Any, Any]], where: str) -> str | None:
    if where.count(".") >= _MAX_DEPTH:
        return f"{where[:80]}…: nested more than {_MAX_DEPTH} levels deep"
    for name, item in items:
        problem = unstorable(name, f"{where}: a key") if isinstance(name, str) else None
        problem = problem or unstorable(item, f"{where}.{name}" if where else str(name))
        if problem:
            return problem
    return None


def is_visible(text: str) -> bool:
    r"""Whether the text holds anything but white space, control and format characters.

    >>> is_visible(" \x07\u200b\n"), is_visible("\x07 ok")
    (False, True)
    """
    return any(unicodedata.category(char) not in _INVISIBLE_CATEGORIES for char in text)


def normal_form(text: str) -> str:
    r"""Unicode NFKC, case folded, white space collapsed: equal for texts that are exact duplicates.

    >>> normal_form("  The ﬁrst\n STRASSE ") == normal_form("the first Straße")
    True
    """
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
