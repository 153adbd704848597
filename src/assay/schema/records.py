"""Between typed records (frozen dataclasses) and plain JSON or TOML values.

`record_from(Criterion, values)` validates types and refuses unknown fields with a did-you-mean; `to_jsonable(record)`
is its inverse. Only the edges of Assay (files, TOML, HTTP) call these; inside, records are passed as they are.
"""

import dataclasses
import difflib
import tomllib
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config
from pydantic_core import ErrorDetails

from assay.schema.errors import InputError, NotFoundError, shown

Record = TypeVar("Record")

_UNKNOWN = ("unexpected_keyword_argument", "extra_forbidden")


@lru_cache(maxsize=64)
def _adapter(cls: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(with_config(ConfigDict(extra="forbid"))(cls))  # the records inside inherit it


def record_from(cls: type[Record], values: Mapping[str, Any], *, where: str) -> Record:
    """Build a record from plain values; an unknown field at any depth is refused. `where` names the source in the
    error. Raises InputError.
    """
    try:
        record: Record = _adapter(cls).validate_python(dict(values))  # type: ignore[arg-type] # classes are hashable
    except ValidationError as error:
        problem = _first_problem(error)
        raise InputError(
            f"{where}: not a valid {cls.__name__}.",
            required=_sentence(problem, cls),
            got=shown(problem.get("input")),
        ) from None
    return record


def _first_problem(error: ValidationError) -> ErrorDetails:
    """An unknown field before all else: a field with a typo is also one that is missing. Of several, as the members of
    a union give, the one in the record with the fewest problems.
    """
    problems = error.errors()
    by_record = Counter(problem["loc"][:-1] for problem in problems)
    unknown = [problem for problem in problems if problem["type"] in _UNKNOWN]
    return min(unknown or problems[:1], key=lambda problem: by_record[problem["loc"][:-1]])


def _sentence(problem: ErrorDetails, cls: type[Any]) -> str:
    path = ".".join(str(part) for part in problem["loc"] if "[" not in str(part))  # not tuple[union[…], …]
    if problem["type"] not in _UNKNOWN:
        return f"{path}: {problem['msg']}" if path else problem["msg"]
    known = _fields_at(cls, problem["loc"][:-1])
    close = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known fields: {', '.join(known)}"
    return f"no unknown field ({path}); {hint}"


def _fields_at(cls: type[Any], path: tuple[int | str, ...]) -> list[str]:
    """The fields of the record that an error's path leads to (it also names list places and union members)."""
    records = [cls]
    for part in path:
        fields = [get_type_hints(record)[part] for record in records if part in _names(record)]
        named = [record for record in records if record.__name__ == part]
        records = [inner for field in fields for inner in _records_in(field)] or named or records
    return list(dict.fromkeys(name for record in records for name in _names(record)))


def _records_in(annotation: Any) -> list[type[Any]]:
    if isinstance(annotation, type) and dataclasses.is_dataclass(annotation):
        return [annotation]
    return [record for inner in get_args(annotation) for record in _records_in(inner)]


def _names(record: type[Any]) -> list[str]:
    return [field.name for field in dataclasses.fields(record)]


def to_jsonable(record: Any) -> Any:
    """A record as plain JSON values (dict, list, str, number, bool, None)."""
    return _adapter(type(record)).dump_python(record, mode="json")  # type: ignore[arg-type] # as above


def read_toml(path: Path) -> dict[str, Any]:
    """The values of a TOML file. Raises NotFoundError, InputError."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotFoundError(f"There is no file {shown(str(path))}.", next_step="check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid TOML.", required="TOML 1.0 in UTF-8", got=str(error)) from None
