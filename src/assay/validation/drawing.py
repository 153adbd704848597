"""A matplotlib figure as inline SVG for a page: text stays text, colours follow the page, equal input gives equal
bytes.

Figures are drawn in the few colours of `Ink`; `inline_svg` turns each into a variable of the page's style sheet, so
that one picture serves light and dark. Text in a figure is never read as mathematics, and the SVG holds no script, link
or fixed font.
"""

import io
import re
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

WIDTH_INCH = 5.2
SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"
NO_METADATA: Mapping[str, None] = dict.fromkeys(("Creator", "Date", "Format", "Type"))


class Ink(StrEnum):
    """The colours of a figure, by what they stand for; the values are placeholders that the style sheet replaces."""

    TEXT = "#1c2430"
    MUTED = "#5d6b7a"
    LINE = "#d9dfe6"
    MAIN = "#1f5fa8"
    SECOND = "#b4540a"
    PAPER = "#fefefe"


def drawn(draw: Callable[[Figure], None], *, name: str, label: str, height_inch: float = 3.9) -> str:
    """The SVG of what `draw` puts on a fresh figure. `name` makes its ids unique on the page, `label` is read aloud."""
    settings: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": name,
        "text.parse_math": False,
        "font.size": 10,
        "text.color": Ink.TEXT,
        "axes.edgecolor": Ink.MUTED,
        "axes.labelcolor": Ink.TEXT,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "xtick.color": Ink.MUTED,
        "ytick.color": Ink.MUTED,
        "grid.color": Ink.LINE,
        "grid.linewidth": 0.8,
    }
    buffer = io.BytesIO()
    with rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # the page's fonts draw the text
        figure = Figure(figsize=(WIDTH_INCH, height_inch))
        draw(figure)
        figure.savefig(buffer, format="svg", transparent=True, metadata=NO_METADATA)
    return inline_svg(buffer.getvalue(), name=name, label=label)


def axes_at(figure: Figure, left: float, bottom: float, right: float = 0.97, top: float = 0.97) -> Axes:
    """Axes between fractions of the figure; fixed, since the page's fonts are unknown here."""
    axes: Axes = figure.add_axes((left, bottom, right - left, top - bottom))
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    return axes


def inline_svg(data: bytes, *, name: str, label: str) -> str:
    """Matplotlib's SVG made fit to stand inside an HTML page."""
    ET.register_namespace("", SVG)
    ET.register_namespace("xlink", XLINK)
    root = ET.fromstring(data)  # noqa: S314 (matplotlib wrote it a moment ago)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{SVG}}}metadata", f"{{{SVG}}}style"):
                parent.remove(child)
    for element in root.iter():
        for key, value in list(element.attrib.items()):
            element.set(key, _attribute(key, value, name))
    view = root.get("viewBox", "")
    root.attrib.clear()
    root.attrib.update({"viewBox": view, "role": "img", "aria-label": label, "class": f"figure {name}"})
    return ET.tostring(root, encoding="unicode")


def _attribute(key: str, value: str, name: str) -> str:
    if key == "id":
        return f"{name}-{value}"
    if key == f"{{{XLINK}}}href":
        return value.replace("#", f"#{name}-", 1)
    if key == "clip-path":
        return value.replace("url(#", f"url(#{name}-")
    return _styled(value) if key == "style" else value


def _styled(style: str) -> str:
    style = re.sub(r"font-family:[^;]*;?", "", style)
    style = re.sub(r"font:[^;]*?([\d.]+px)[^;]*", r"font-size: \1", style)
    for ink in Ink:
        style = style.replace(ink.value, f"var(--{ink.name.lower()})")
    return style
