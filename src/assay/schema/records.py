"""Between typed records (frozen dataclasses) and plain JSON or TOML values.

`record_from(Criterion, values)` validates types and refuses unknown fields with a did-you-mean; `to_jsonable(record)` is
its inverse. Only the edges of Assay (files, TOML, HTTP) call these; inside, records are passed as they are.
"""

import difflib
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from assay.schema.errors import InputError, NotFoundError, shown

Record = TypeVar("Record")


@lru_cache(maxsize=64)
def _adapter(cls: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(with_config(ConfigDict(extra="forbid"))(cls))


def record_from(cls: type[Record], values: Mapping[str, Any], *, where: str) -> Record:
    """Build a record from plain values. `where` names the source in the error. Raises InputError."""
    try:
        record: Record = _adapter(cls).validate_python(dict(values))
    except ValidationError as error:
        raise InputError(
            f"{where}: not a valid {cls.__name__}.",
            required=_first_problem(error, cls),
            got=shown(error.errors()[0].get("input")),
        ) from None
    return record


def _first_problem(error: ValidationError, cls: type[Any]) -> str:
    problem = error.errors()[0]
    path = ".".join(str(part) for part in problem["loc"])
    if problem["type"] not in ("unexpected_keyword_argument", "extra_forbidden"):
        return f"{path}: {problem['msg']}"
    known = list(getattr(cls, "__dataclass_fields__", {}))
    close = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known fields: {', '.join(known)}"
    return f"no unknown field ({path}); {hint}"


def to_jsonable(record: Any) -> Any:
    """A record as plain JSON values (dict, list, str, number, bool, None)."""
    return _adapter(type(record)).dump_python(record, mode="json")


def read_toml(path: Path) -> dict[str, Any]:
    """The values of a TOML file. Raises NotFoundError, InputError."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotFoundError(f"There is no file {shown(str(path))}.", next_step="check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid TOML.", required="TOML 1.0 in UTF-8", got=str(error)) from None
