"""Alembic environment: runs against the connection string that neet.database.migrate passes."""

from alembic import context
from sqlalchemy import create_engine

dsn = context.config.attributes["dsn"].replace("postgresql://", "postgresql+psycopg://", 1)
engine = create_engine(dsn)
with engine.begin() as connection:
    context.configure(
        connection=connection, version_table="schema_version", version_table_schema="public"
    )
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
