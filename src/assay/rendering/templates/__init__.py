"""Registered templates: one file each. A judge version names its template; a change of wording is a new version of it.

`register_template("encoder.v1", render)` is the call that built-ins and plug-ins use alike.
"""

from collections.abc import Callable
from typing import TypeAlias

from assay.rendering.segments import Segment
from assay.rendering.templates import encoder_v1, verdict_v1
from assay.schema.criterion import Criterion
from assay.schema.errors import NotFoundError, shown
from assay.schema.example import Example
from assay.schema.judge_version import Layout

Template: TypeAlias = Callable[[Example, Criterion, Layout], tuple[Segment, ...]]

_TEMPLATES: dict[str, Template] = {}


def register_template(name: str, template: Template) -> None:
    """Make a template known by its versioned name."""
    _TEMPLATES[name] = template


def template_named(name: str) -> Template:
    """The template of that name. Raises NotFoundError."""
    if name not in _TEMPLATES:
        raise NotFoundError(
            f"There is no template {shown(name)}.",
            required=f"one of {sorted(_TEMPLATES)}",
            next_step="install the plug-in that registers it",
        )
    return _TEMPLATES[name]


register_template("encoder.v1", encoder_v1.render)
register_template("verdict.v1", verdict_v1.render)
