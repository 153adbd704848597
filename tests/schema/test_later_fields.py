"""Records stored before a field existed keep their names."""

import dataclasses
import json
from pathlib import Path

from assay.schema.judge_version import JudgeVersion
from assay.schema.later_fields import later_field, without_unused
from assay.schema.records import record_from, to_jsonable

STORED = Path(__file__).parent / "data" / "judge_0_1.json"  # written before the first later field


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inner:
    old: int = 0
    later: tuple[int, ...] = later_field(())


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outer:
    inner: Inner
    several: tuple[Inner, ...]
    later: dict[str, int] = later_field({})


def kept(record):
    return without_unused(record, to_jsonable(record))


def test_later_fields_are_left_out_at_their_default_at_any_depth():
    plain = Outer(inner=Inner(), several=(Inner(), Inner(old=1)))
    assert kept(plain) == {"inner": {"old": 0}, "several": [{"old": 0}, {"old": 1}]}
    used = Outer(inner=Inner(later=(1,)), several=(Inner(later=(2,)),), later={"a": 3})
    assert kept(used) == {
        "inner": {"old": 0, "later": [1]},
        "several": [{"old": 0, "later": [2]}],
        "later": {"a": 3},
    }


def test_a_mutable_default_is_made_anew():
    first, second = (Outer(inner=Inner(), several=()) for _ in range(2))
    assert first.later == {}
    assert first.later is not second.later


def test_a_stored_old_judge_loads_and_keeps_its_name():
    values = json.loads(STORED.read_text())
    version = record_from(JudgeVersion, values["recipe"], where="judge.json")
    assert version.digest == values["digest"]
    assert version.id == values["id"]
    assert version.rendering.label_texts == {}
    assert version.rendering.invocation_tokens == ()
    other = dataclasses.replace(version, rendering=dataclasses.replace(version.rendering, invocation_tokens=(1,)))
    assert other.digest != version.digest
