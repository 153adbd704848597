"""FieldMapping: which column of a row holds which field, what labels are called, and what holds for all rows of a file.

`FieldMapping(columns={"output": "reply", "group": "meta.template_id"}, labels={"Y": "advice"}, label_source="crowd")`
is what the options of `assay data import` become. `look(values, "group", mapping)` finds one field in a row. Knows
nothing of files.
"""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from assay.schema.criterion import Criterion
from assay.schema.errors import InputError, shown
from assay.schema.example import CONTENT_FIELDS, ExampleSource
from assay.schema.label import LabelSource

EXAMPLE_FIELDS = ("id", *CONTENT_FIELDS, "messages", "group", "source", "weight", "meta")
LABEL_FIELDS = ("label", "labels", "labels_by_rater", "labeller", "label_source", "labelled_at", "explanation")
FIELDS = (*EXAMPLE_FIELDS, *LABEL_FIELDS)


@dataclass(frozen=True, kw_only=True)
class FieldMapping:
    """How rows are read.

    `columns` maps our field to the row's column (a dotted path reaches into nested values; of a column mapped so, the
    rest is not read). `labels` maps the row's label to one of the scale, or to None: such a label ("unsure") is left
    out. `labeller`, `label_source`, `labelled_at` and `source` (of the text) hold for rows that do not say it
    themselves. With `keep_extra` unknown top-level fields go into `meta` instead of making the row malformed.
    `question`: of another tool's file, which of its questions (metrics, scorers, assertions) gives the labels.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str | None] = field(default_factory=dict)
    labeller: str | None = None
    label_source: LabelSource | None = None
    labelled_at: str | None = None
    source: ExampleSource = "production"
    keep_extra: bool = False
    question: str | None = None

    def __post_init__(self) -> None:
        for name in self.columns:
            if name not in FIELDS:
                raise InputError("A mapped field is unknown.", required=meant(name, FIELDS), got=shown(name))

    def check_labels(self, criterion: Criterion) -> None:
        """Every label that is mapped to must be on the scale. Raises InputError."""
        for name in self.labels.values():
            if name is not None:
                criterion.check_label(name)


def look(values: Mapping[str, Any], name: str, mapping: FieldMapping) -> Any:
    """One field of a row by its column; None when absent."""
    return at_path(values, mapping.columns.get(name, name))


def at_path(values: Mapping[str, Any], path: str) -> Any:
    """A value by column or dotted path; the column of that very name comes first; None when absent.

    >>> at_path({"meta": {"template_id": 87}}, "meta.template_id")
    87
    """
    if path in values:
        return values[path]
    here: Any = values
    for name in path.split("."):
        if not isinstance(here, Mapping) or name not in here:
            return None
        here = here[name]
    return here


def extra_fields(values: Mapping[str, Any], mapping: FieldMapping) -> dict[str, Any]:
    """The row's top-level columns that no field takes; empty ones (None) are nothing."""
    taken = {column for column in mapping.columns.values() if column in values}
    taken |= {column.split(".")[0] for column in mapping.columns.values() if column not in values}
    known = (set(FIELDS) - set(mapping.columns)) | taken
    return {
        name: value
        for name, value in values.items()
        if name not in known and value is not None and not name.startswith("meta.")
    }


def refuse_extra(extra: Iterable[str]) -> None:
    """Raise InputError with a did-you-mean when there is an unknown field."""
    for name in extra:
        raise InputError(
            f"The field {shown(name)} is unknown.",
            required=meant(name, FIELDS),
            next_step="map it to a field, or keep unknown fields in meta with --keep-extra",
        )


def meant(name: str, known: Iterable[str]) -> str:
    """What was probably meant, or else all that is known.

    >>> meant("ouput", ("input", "output"))
    "did you mean 'output'?"
    """
    names = list(known)
    close = difflib.get_close_matches(name.casefold(), names, n=1)
    return f"did you mean {close[0]!r}?" if close else f"one of {', '.join(names)}"
