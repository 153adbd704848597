"""The files that an evaluation leaves beside a judge, and how they are written."""

from pathlib import Path

from assay.schema.ids import new_id

REPORT_FILE = "report.json"
GATES_FILE = "gates.json"
CARD_FILE = "card.html"
TRAINING_FILE = "training.json"


def write_whole(path: Path, data: bytes, arriving: Path) -> None:
    """Write a file, whole or not at all.

    It arrives in another folder of the same disk: what a kill leaves there must not lie in the judge's folder, which
    holds nothing but what belongs to it.
    """
    arriving.mkdir(parents=True, exist_ok=True)
    partial = arriving / new_id(path.name)
    try:
        partial.write_bytes(data)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
