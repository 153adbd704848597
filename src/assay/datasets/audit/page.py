"""The audit as one HTML page for whoever owns the data: what is wrong, how bad, what to do.

`render_page(audit, about)` gives a self-contained page: no script, no request to anywhere. Text from the data is
escaped by the template engine and stripped of what hides or reorders it.
"""

import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from assay.datasets.audit.audit import Audit
from assay.datasets.audit.finding import GRAVE, SERIOUS
from assay.metrics.intervals import Estimate

FEATURE_ROWS = 12
WORD_ROWS = 20
_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn")


@dataclass(frozen=True, kw_only=True)
class About:
    """What the page says of the dataset: its name, when it was audited (ISO 8601)."""

    name: str
    audited_at: str


def render_page(audit: Audit, about: About) -> str:
    """The page as HTML text."""
    grave = sum(one.harm >= GRAVE for one in audit.findings)
    serious = sum(SERIOUS <= one.harm < GRAVE for one in audit.findings)
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            audit=audit,
            parts=audit.parts,
            about=about,
            grave=grave,
            serious=serious,
            verdict=_verdict(grave, serious),
            features=audit.parts.alone[:FEATURE_ROWS],
            words=audit.parts.words.words[:WORD_ROWS],
        )
    )


def shown_text(text: str, limit: int = 160) -> str:
    r"""Text on one line without characters that hide or reorder it, at most `limit` of them.

    >>> shown_text("one\ntwo\x00", 20)
    'one two�'
    """
    line = " ".join(
        "".join(
            "\N{REPLACEMENT CHARACTER}" if not char.isspace() and unicodedata.category(char) in _HIDDEN else char
            for char in text[: 4 * limit]
        ).split()
    )
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def _verdict(grave: int, serious: int) -> str:
    if grave:
        them = "it" if grave == 1 else "them"
        return f"{_times(grave, 'finding')} would spoil a judge trained on these rows. Mend {them} first."
    if serious:
        return f"Usable with care: {_times(serious, 'finding')} should be looked at before training."
    return "Nothing found that would mislead a judge badly."


def _times(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")


def _percent(value: float) -> str:
    return f"{value:.1%}" if value < 0.1 else f"{value:.0%}"  # noqa: PLR2004 - one digit more where it is small


def _interval(estimate: Estimate) -> str:
    return f"{estimate.value:.2f} ({estimate.low:.2f} to {estimate.high:.2f})"


def _bar(share: float) -> str:
    """The width of a bar in per cent of its track."""
    return f"{100 * min(max(share, 0.0), 1.0):.1f}%"


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("assay.datasets.audit", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"shown": shown_text, "percent": _percent, "interval": _interval, "bar": _bar}
    return environment
