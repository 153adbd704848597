"""Registered templates: one file each. A judge version names its template; a change of wording is a new version of it.

`register_template("encoder.v1", render)` is the call that built-ins and plug-ins use alike. The last segment of a
template for decoders is ours: its ending, after which the verdict is read.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from assay.rendering.segments import Segment
from assay.rendering.templates import encoder_v1, llm_v1, verdict_v1, verdict_v2
from assay.schema.criterion import Criterion
from assay.schema.errors import NotFoundError, shown
from assay.schema.example import Example
from assay.schema.judge_version import Layout

# the last argument: label → the text of the token that stands for it, empty where labels stand for themselves
Template: TypeAlias = Callable[[Example, Criterion, Layout, Mapping[str, str]], tuple[Segment, ...]]

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
register_template("verdict.v2", verdict_v2.render)
register_template("llm.v1", llm_v1.render)
