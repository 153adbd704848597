"""Run by Alembic for every command. The transaction belongs to `assay.store.migrate`, which passes its connection."""

from alembic import context

from assay.store.migrate import VERSION_TABLE
from assay.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,  # for the names of constraints and indexes
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
