"""Which modules are switched on: read from Postgres, once, as the backend starts.

The table is the web app's own, so its name and columns come from the environment:
`MODULES_TABLE`, `MODULES_ID`, `MODULES_ENABLED`, `MODULES_HAS_BACKEND`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import psycopg
from psycopg import sql


def read_enabled(environ: Mapping[str, str]) -> list[str]:
    """Give the ids, sorted; without a `DATABASE_URL` nothing is enabled."""
    dsn = environ.get("DATABASE_URL")
    if not dsn:
        return []
    with connect(dsn, give_up_at=time.monotonic() + wait_s(environ)) as connection:
        rows = connection.execute(question(environ)).fetchall()
    return sorted(str(row[0]) for row in rows)


def wait_s(environ: Mapping[str, str]) -> float:
    """Say how long Postgres may take to be there: it may have been started along with us."""
    return float(environ.get("DATABASE_WAIT_S", "10"))


def connect(dsn: str, *, give_up_at: float) -> psycopg.Connection:
    """Connect, again and again until it is too late."""
    while True:
        try:
            return psycopg.connect(dsn, connect_timeout=2)
        except psycopg.OperationalError:
            if time.monotonic() >= give_up_at:
                raise
            time.sleep(0.2)


def question(environ: Mapping[str, str]) -> sql.Composed:
    """Compose the query from the names in the environment."""
    return sql.SQL("SELECT {id} FROM {table} WHERE {enabled} AND {has_backend}").format(
        id=sql.Identifier(environ.get("MODULES_ID", "id")),
        table=sql.Identifier(*environ.get("MODULES_TABLE", "modules").split(".")),
        enabled=sql.Identifier(environ.get("MODULES_ENABLED", "enabled")),
        has_backend=sql.Identifier(environ.get("MODULES_HAS_BACKEND", "has_backend")),
    )
