"""Verdicts as rows, on both databases."""

from assay.store import verdicts


def test_ids_that_no_row_can_have_are_not_known_and_break_nothing(database, escalated_row):
    with database.begin() as connection:
        verdicts.add(connection, [escalated_row(number) for number in range(3)])
    asked = ["vd_0", "vd_2", "vd_9", "vd_\0", "vd_\ud800", "", *(f"vd_{number}" for number in range(10, 2000))]
    with database.read() as connection:
        assert verdicts.known(connection, asked) == {"vd_0", "vd_2"}
        assert verdicts.known(connection, []) == frozenset()
