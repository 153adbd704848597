"""Values of another tool's JSON in the shape they should have, or empty: such a file may hold anything anywhere."""

from collections.abc import Mapping
from typing import Any


def object_of(value: Any) -> Mapping[str, Any]:
    """The object, or an empty one.

    >>> object_of({"a": 1}), object_of([1])
    ({'a': 1}, {})
    """
    return value if isinstance(value, Mapping) else {}


def list_of(value: Any) -> list[Any]:
    """The list, or an empty one."""
    return value if isinstance(value, list) else []


def objects_of(value: Any) -> list[Mapping[str, Any]]:
    """The objects in a list.

    >>> objects_of([{"a": 1}, 2, None])
    [{'a': 1}]
    """
    return [item for item in list_of(value) if isinstance(item, Mapping)]
