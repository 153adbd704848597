"""The log of imports."""

import pytest

from assay.store import criteria, examples, imports
from assay.store.imports import ImportRecord


def record(import_id="imp_1", **changes):
    values = {
        "id": import_id,
        "file_name": "rows.jsonl",
        "file_digest": "a" * 64,
        "criterion_key": "advice/1",
        "counts": {"rows": 20, "malformed": 1},
        "set_aside": "rows.malformed.jsonl",
        "created_at": "2026-01-01T00:00:00.000000+00:00",
    }
    return ImportRecord(**{**values, **changes})


def test_imports_are_listed_and_found_by_their_file(database, make_criterion):
    rows = record(), record("imp_2", file_digest="b" * 64, set_aside=None)
    with database.begin() as connection:
        criteria.record(connection, make_criterion())
        for row in rows:
            imports.add(connection, row)
    with database.read() as connection:
        assert imports.every(connection) == rows
        assert imports.by_file_digest(connection, "b" * 64) == rows[1:]
        assert imports.by_file_digest(connection, "c" * 64) == ()


def test_the_import_may_be_logged_after_its_rows_but_not_left_out(database, make_criterion, make_example):
    with database.begin() as connection:
        criteria.record(connection, make_criterion())
        examples.add(connection, [make_example(1)], [], "imp_1")
        imports.add(connection, record())
    with pytest.raises(Exception, match=r"(?i)foreign key"), database.begin() as connection:
        examples.add(connection, [make_example(2)], [], "imp_absent")
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM examples").scalar() == 1
