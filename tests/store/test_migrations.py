"""The migrations give exactly the tables that the code uses, and a newer database is refused."""

from importlib import import_module
from pkgutil import iter_modules

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

import assay.store
from assay.schema.errors import RefusedError
from assay.store.database import open_database
from assay.store.migrate import VERSION_TABLE
from assay.store.tables import metadata

for module in iter_modules(assay.store.__path__):
    import_module(f"assay.store.{module.name}")


def test_an_upgraded_empty_database_is_the_metadata(database):
    with database.read() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": VERSION_TABLE, "compare_server_default": True}
        )
        assert compare_metadata(context, metadata) == []


def test_every_table_is_known():
    tables = (
        "aliases answers api_keys augmentation_decisions augmentations awaiting contrast_sets criteria datasets"
        " deliveries derivatives events examples gate_decisions imports judge_versions"
        " label_assignments label_events"
        " label_members label_queue_items label_queues label_sessions labellers labels promotions spending verdicts"
    )
    assert sorted(metadata.tables) == tables.split()


def test_a_newer_database_is_refused_and_left_alone(database, database_url):
    with database.begin() as connection:
        connection.exec_driver_sql("UPDATE assay_schema SET version_num = '9999'")
    with pytest.raises(RefusedError, match="newer Assay") as refusal:
        open_database(database_url)
    assert refusal.value.got == "revision '9999'"
    assert refusal.value.next_step == "pip install --upgrade assay"
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM assay_schema").scalar() == "9999"
