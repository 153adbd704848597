"""Recovering: verdicts that the database refused are written again, for it may take them now.

    recovered = recover(database, RefusedVerdicts(settings.serving_files))

After a new version of Assay, a migrated database, or a constraint that is gone. A row is in the database before its
file goes, and has one id, so a run that is killed loses nothing and the next one doubles nothing. Servers of the same
workspace may run, and so may a second recovering.
"""

from collections.abc import Callable
from dataclasses import dataclass

from assay.serving.recorder import not_taken
from assay.serving.refused import Refusal, RefusedSummary, RefusedVerdict, RefusedVerdicts
from assay.store import verdicts
from assay.store.database import Database
from assay.store.tables import in_batches


@dataclass(frozen=True, kw_only=True)
class Recovered:
    """What became of refused verdicts: written now, in the database before, refused again; and what is left."""

    written: int
    there_already: int
    refused_again: int
    left: RefusedSummary


def recover(
    database: Database, refused: RefusedVerdicts, on_row: Callable[[int, int | None], None] | None = None
) -> Recovered:
    """Write them again; those refused again stay, with the reason of today. `on_row` hears how many of how many.

    Raises AssayError (a database that is away, a full disk): what was written by then is, the others stay.
    """
    refused.take_in_lines()
    total = refused.count()
    written = there_already = refused_again = 0
    for batch in in_batches(refused.every()):
        new, again = _recover(database, refused, batch)
        written += new
        refused_again += again
        there_already += len(batch) - new - again
        if on_row:
            on_row(written + there_already + refused_again, total)
    return Recovered(written=written, there_already=there_already, refused_again=refused_again, left=refused.summary())


def _recover(database: Database, refused: RefusedVerdicts, batch: list[RefusedVerdict]) -> tuple[int, int]:
    """How many of them are written now, and how many are refused again."""
    with database.read() as connection:
        there = verdicts.known(connection, [one.id for one in batch])
    new = {one.id: one for one in batch if one.id not in there}
    again = {str(row["id"]): error for row, error in not_taken(database, [dict(one.row) for one in new.values()])}
    for one in batch:
        if one.id in again:
            refused.refuse_again(one, Refusal.of(again[one.id]))
        else:
            refused.remove(one)
    return len(new) - len(again), len(again)
