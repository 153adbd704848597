"""Later fields: fields that a record gained after records of its kind were already stored and named by their digest.

    invocation_tokens: tuple[int, ...] = later_field(())

A later field has a default, so that an old file still loads, and stays out of the digest while it stands at that
default, so that what an old file was named by still holds. The default must mean what every old record did.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

_LATER = "later"


def later_field(default: Any) -> Any:
    """A dataclass field that was added to a stored record. A mutable default is made anew for every record."""
    metadata = {_LATER: True}
    if isinstance(default, dict | list):
        return dataclasses.field(default_factory=lambda: type(default)(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def without_unused(record: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """A record's plain values less the later fields that stand at their default, at any depth of records inside.

    `values` are `to_jsonable(record)`.
    """
    kept = dict(values)
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if field.metadata.get(_LATER) and value == _default_of(field):
            del kept[field.name]
        else:
            kept[field.name] = _inside(value, values[field.name])
    return kept


def _inside(value: Any, plain: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return without_unused(value, plain)
    if isinstance(value, tuple) and any(dataclasses.is_dataclass(item) for item in value):
        return [_inside(item, one) for item, one in zip(value, plain, strict=True)]
    return plain


def _default_of(field: dataclasses.Field[Any]) -> Any:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
