"""Where the rows of a certification come from: a labelling queue, or imported rows whose drawing was stated."""

from assay.api.certifying import CertifyRequest
from assay.datasets.certification import CertificationRows, not_stated, rows_as_stated, rows_of_queue
from assay.datasets.frozen_rows import load_rows, rows_of
from assay.schema.dataset import DatasetVersion, FrozenRow
from assay.schema.errors import InputError, IntegrityError, NotFoundError
from assay.schema.judge_version import JudgeVersion
from assay.store import datasets, examples
from assay.store.blobs import Blobs
from assay.store.database import Database


def certification_rows(
    database: Database, blobs: Blobs, version: JudgeVersion, request: CertifyRequest, person: str
) -> CertificationRows:
    """The rows that a request asks for. Raises InputError, NotFoundError, RefusedError (not certifiable)."""
    criterion = version.criterion
    known = {row.example.id for row in _frozen(database, blobs, version)}
    if request.queue is not None and request.drawn is not None:
        raise InputError("Rows come from a queue or as stated, not both.", got="--queue and --drawn")
    if request.queue is not None:
        return rows_of_queue(database, criterion, request.queue, known=known, accept=request.accept)
    if request.drawn is None:
        with database.read() as connection:
            raise not_stated(criterion, examples.counts(connection, criterion.key).examples)
    return rows_as_stated(
        database, criterion, drawn=request.drawn, stated_by=person, known=known, accept=request.accept
    )


def calibration_rows(database: Database, blobs: Blobs, version: JudgeVersion) -> list[FrozenRow]:
    """The judge's own calibration rows; none where its dataset is not here (a judge made elsewhere)."""
    return rows_of(_frozen(database, blobs, version), "calibration")


def _frozen(database: Database, blobs: Blobs, version: JudgeVersion) -> list[FrozenRow]:
    try:
        with database.read() as connection:
            dataset: DatasetVersion = datasets.get(connection, version.dataset)
        return load_rows(blobs, dataset)
    except (NotFoundError, IntegrityError):
        return []
