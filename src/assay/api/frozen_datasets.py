"""Frozen datasets of a workspace, looked up: by id, of one criterion, the newest one."""

from assay.schema.criterion import Criterion
from assay.schema.dataset import DatasetVersion
from assay.schema.errors import InputError, RefusedError, shown
from assay.store import datasets
from assay.store.database import Database


def dataset_of(database: Database, criterion: str, dataset_id: str) -> DatasetVersion:
    """A dataset of a criterion. Raises NotFoundError; InputError where it is about another criterion."""
    with database.read() as connection:
        found = datasets.get(connection, dataset_id)
    if found.criterion.name != criterion:
        raise InputError(
            f"The dataset {dataset_id} is about another criterion.",
            required=f"a dataset of {shown(criterion)}",
            got=f"one of {found.criterion.key!r}",
            next_step=f"the same command for {found.criterion.name}",
        )
    return found


def newest_dataset(database: Database, wanted: Criterion) -> DatasetVersion:
    """The dataset that was frozen last for a criterion as it stands. Raises RefusedError."""
    with database.read() as connection:
        found = datasets.latest(connection, wanted.name)
    if found is None or found.criterion.digest != wanted.digest:
        raise RefusedError(
            f"No dataset is frozen for criterion {wanted.key!r} as it now stands.",
            required="a frozen dataset",
            got="none" if found is None else f"{found.id}, frozen for {found.criterion.key!r} with other words",
            next_step=f"assay data freeze {wanted.name}"
            + ("" if found is None else f", or name one: assay train {wanted.name} --dataset {found.id}"),
        )
    return found
