"""A row's values → its labels, every labeller's kept.

`labels_of(values, mapping, criterion, example_id)` reads `label` (with `labeller`, `label_source`, `labelled_at`,
`explanation`), `labels` (a list of objects) or the benchmark shape `labels_by_rater`; where there are several opinions
they are the labels, and a summary `label` beside them that says otherwise is kept in `meta` (as `label_given`). A
single labeller without a name is called by the source, several `rater-1`, `rater-2`, …. A set of labels given at once
(a multi-label answer) is refused. Knows nothing of files or the store.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast, get_args

from assay.ingest.examples import structured
from assay.ingest.mapping import FieldMapping, look, meant
from assay.schema.criterion import Criterion
from assay.schema.errors import InputError, shown
from assay.schema.label import Label, LabelSource

SUMMARY_LABEL_KEY = "label_given"  # the key in `meta`
_SOURCES = get_args(LabelSource)
_ROW_FIELDS = {
    "value": "label",
    "labeller": "labeller",
    "source": "label_source",
    "date": "labelled_at",
    "explanation": "explanation",
}
_ENTRY_NAMES = {
    "value": ("value", "label"),
    "labeller": ("labeller", "rater"),
    "source": ("source", "label_source"),
    "date": ("date", "labelled_at"),
    "explanation": ("explanation",),
}


class UnknownLabelError(InputError):
    """A label that is not on the scale; `label` is its text."""

    def __init__(self, label: str, criterion: Criterion) -> None:
        super().__init__(
            f"The label {shown(label)} is not on the scale of criterion {criterion.key!r}.",
            required=f"one of {list(criterion.labels)}",
            next_step="map it (--map-label FROM=TO) or correct the row",
        )
        self.label = label


@dataclass(frozen=True, kw_only=True)
class _Opinion:
    """One opinion as the row holds it; None where the row does not say."""

    value: Any
    labeller: Any
    source: Any
    date: Any
    explanation: Any


def labels_of(
    values: Mapping[str, Any], mapping: FieldMapping, criterion: Criterion, example_id: str
) -> tuple[Label, ...]:
    """The labels in a row, perhaps none. Raises InputError naming the field; UnknownLabelError off the scale."""
    opinions = _opinions(values, mapping)
    several = len(opinions) > 1
    if criterion.scale.kind == "multi-label":
        _refuse_set(opinions)
    row_source = look(values, "label_source", mapping) or mapping.label_source
    row_date = look(values, "labelled_at", mapping) or mapping.labelled_at
    found: dict[str, Label] = {}
    for number, opinion in enumerate(opinions, start=1):
        value = _on_scale(opinion.value, mapping, criterion)
        if value is None:
            continue
        source = _source(opinion.source or row_source)
        # the store keeps each labeller's newest opinion: a crowd's must not replace an expert's for want of names
        nameless = f"rater-{number}" if several else mapping.labeller or source
        label = Label(
            example_id=example_id,
            value=value,
            labeller=_name(opinion.labeller) or nameless,
            source=source,
            criterion=criterion.key,
            created_at=_date(opinion.date or row_date),
            explanation=None if opinion.explanation is None else str(opinion.explanation),
        )
        before = found.setdefault(label.labeller, label)
        if before.value != label.value:
            raise InputError(
                f"The labeller {shown(label.labeller)} gives one row two labels.",
                required="one opinion of each labeller",
                got=f"{shown(before.value)} and {shown(label.value)}",
            )
    return tuple(found.values())


def summary_label(values: Mapping[str, Any], mapping: FieldMapping) -> str | None:
    """The top-level label of a row whose labels are listed by labeller, where it is not what most of these say; else
    None.
    """
    given = label_text(look(values, "label", mapping))
    opinions = _opinions(values, mapping)
    if given is None or not _listed(values, mapping):
        return None
    votes = Counter(label_text(opinion.value) for opinion in opinions).most_common(2)
    clear = len(votes) == 1 or votes[0][1] > votes[1][1]
    return None if clear and votes[0][0] == given else given


def label_text(value: Any) -> str | None:
    """A label as text: 5 and 5.0 are "5", True is "true"; None when absent. Raises InputError.

    >>> label_text(5.0), label_text(True), label_text(" toxic")
    ('5', 'true', 'toxic')
    """
    if value is None or isinstance(value, str):
        return (value or "").strip() or None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return str(int(value))
    if isinstance(value, list) and len(value) > 1:
        raise _set_of_labels(value)
    raise InputError("label is not a label.", required="text or a whole number", got=shown(value))


def _refuse_set(opinions: list[_Opinion]) -> None:
    """Different labels without names may be one person's answer on a multi-label scale: not raters who differ."""
    nameless = {label_text(opinion.value) for opinion in opinions if _name(opinion.labeller) is None}
    if len(nameless) > 1:
        raise _set_of_labels(sorted(filter(None, nameless)))


def _set_of_labels(given: object) -> InputError:
    return InputError(
        "A row gives several labels at once, and sets of labels are not read yet.",
        required="one label, or one for each named labeller",
        got=shown(given),
        next_step="ask one yes-or-no question a label: a criterion of its own each",
    )


def _opinions(values: Mapping[str, Any], mapping: FieldMapping) -> list[_Opinion]:
    listed = _listed(values, mapping)
    if listed:
        return [_entry(entry, name, index) for name, entries in listed.items() for index, entry in enumerate(entries)]
    if look(values, "label", mapping) is None:
        return []
    return [_Opinion(**{part: look(values, name, mapping) for part, name in _ROW_FIELDS.items()})]


def _listed(values: Mapping[str, Any], mapping: FieldMapping) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for name in ("labels", "labels_by_rater"):
        entries = structured(look(values, name, mapping), name)
        if entries is not None and not isinstance(entries, list):
            raise InputError(f"{name} is not a list.", required="a list of objects", got=shown(entries))
        if entries:
            found[name] = entries
    return found


def _entry(entry: Any, field: str, index: int) -> _Opinion:
    where = f"{field}.{index}"
    if not isinstance(entry, Mapping):
        raise InputError(f"{where} is not an object.", required='{"value": …, "labeller": …}', got=shown(entry))
    known = [name for names in _ENTRY_NAMES.values() for name in names]
    for name in entry:
        if name not in known:
            raise InputError(f"{where} has the unknown field {shown(name)}.", required=meant(str(name), known))
    found = {
        part: next((entry[name] for name in names if entry.get(name) is not None), None)
        for part, names in _ENTRY_NAMES.items()
    }
    if found["value"] is None:
        raise InputError(f"{where} has no label.", required='a "value"', got=shown(entry))
    return _Opinion(**found)


def _on_scale(value: Any, mapping: FieldMapping, criterion: Criterion) -> str | None:
    text = label_text(value)
    if text is None or text in mapping.labels:
        return None if text is None else mapping.labels[text]
    if text not in criterion.labels:
        raise UnknownLabelError(text, criterion)
    return text


def _name(value: Any) -> str | None:
    if isinstance(value, (dict, list, float)):
        raise InputError("labeller is not a name.", required="text or a whole number", got=shown(value))
    return None if value is None else str(value).strip() or None


def _source(value: Any) -> LabelSource:
    if value not in _SOURCES:
        raise InputError(
            "A label needs its source: who decided it." if value is None else "The source of a label is unknown.",
            required=f"one of {list(_SOURCES)}",
            got="" if value is None else shown(value),
            next_step="say it for all rows with --label-source",
        )
    return cast(LabelSource, value)


def _date(value: Any) -> str | None:
    if value is None:
        return None
    try:
        datetime.fromisoformat(str(value))
    except ValueError:
        raise InputError("labelled_at is not a date.", required="an ISO 8601 date or time", got=shown(value)) from None
    return str(value)
