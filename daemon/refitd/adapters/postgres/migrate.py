"""Apply the SQL files, all or none, as often as one likes.

The same files, in the same order, as `psql -f` would take them. Locks are waited for five
seconds at most, so that the panel never queues behind a migration that waits for it.
"""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from refitd.adapters.postgres.connection import Connection
from refitd.errors import DatabaseError, DatabaseRefused

_DEADLINE_S = 60.0

_PATIENCE = "set local lock_timeout = '5s'; set local statement_timeout = '55s'"

# Two at a time would trip over each other's catalog rows. The number is `refitd` in ASCII.
_ONE_AT_A_TIME = "select pg_advisory_xact_lock(125779835450468)"


def migrate(dsn: str) -> list[str]:
    """Answers the names of the files applied. Raises a `DatabaseError` that names the file."""
    connection = Connection(dsn, "refitd migrate")
    applied: list[str] = []
    try:
        with connection.transaction(_DEADLINE_S) as transaction:
            transaction.execute(_PATIENCE)
            transaction.execute(_ONE_AT_A_TIME)
            for file in sql_files():
                applied.append(file.name)
                transaction.execute(file.read_bytes())
    except DatabaseError as error:
        if not applied:
            raise
        raise type(error)(f"{applied[-1]} could not be applied, nothing was: {error}") from error
    finally:
        connection.close()
    return applied


def sql_files() -> list[Traversable]:
    """In order. Packaged in the wheel; beside `daemon/` in a checkout."""
    packaged = files("refitd") / "sql"
    checkout = Path(__file__).parents[4] / "sql"
    folder = packaged if packaged.is_dir() else checkout
    found = [each for each in folder.iterdir() if each.name.endswith(".sql")]
    if not found:
        raise DatabaseRefused("this installation of refitd holds no SQL files: install it again")
    return sorted(found, key=lambda file: file.name)
