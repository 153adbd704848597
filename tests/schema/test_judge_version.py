"""A judge version is named by everything that can change a verdict."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest

from assay.schema.judge_version import UNDIGESTED, JudgeVersion


def changed(value: Any) -> Any:
    """Another value of the same kind."""
    if value is None:
        return 0.123
    if isinstance(value, str):
        return value + "x"
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, tuple):
        return value[:-1]
    return {**value, "other": next(iter(value.values()), {})}


def one_change_each(record: Any) -> Iterator[tuple[str, Any]]:
    """The record with one leaf changed, for every leaf of it and of the records inside."""
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if dataclasses.is_dataclass(value):
            for path, inner in one_change_each(value):
                yield f"{field.name}.{path}", dataclasses.replace(record, **{field.name: inner})
        elif field.name in ("positive", "kind", "levels", "base_rate", "llm", "judge"):
            continue  # a scale checks itself; test_criterion has these
        else:
            yield field.name, dataclasses.replace(record, **{field.name: changed(value)})


def test_every_field_enters_the_digest(version):
    digests = {path: other.digest for path, other in one_change_each(version)}
    same = {path for path, digest in digests.items() if digest == version.digest}
    assert same == set(UNDIGESTED) == {"created_at"}
    assert len(set(digests.values())) == len(digests)
    assert {"backbone.weights_digest", "rendering.label_tokens", "decision.threshold", "files"} <= digests.keys()


def test_the_name_carries_the_digest(version):
    assert version.id == f"advice-{version.digest[:8]}"
    assert dataclasses.replace(version, created_at="2030-01-01").id == version.id


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
def test_the_order_of_mappings_does_not_matter(version, order):
    files = dict.fromkeys(order, "0" * 64)
    assert (
        dataclasses.replace(version, files=files).digest
        == dataclasses.replace(version, files={"a": "0" * 64, "b": "0" * 64}).digest
    )


def test_a_version_cannot_be_changed(version):
    with pytest.raises(dataclasses.FrozenInstanceError):
        version.name = "other"
    assert isinstance(version, JudgeVersion)
