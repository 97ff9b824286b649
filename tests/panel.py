"""A panel's database as tests want it: schema refitd applied, and a `modules` table watched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Composed

from refitd.adapters.postgres import migrate
from rig.postgres import Clusters, Postgres

Query = LiteralString | SQL | Composed

MODULES = """
    create table public.modules (
      id          text primary key,
      title       text,
      has_backend boolean,
      enabled     boolean
    )
"""


class Panel:
    """One database, and a session of its owner's in it."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self._session = psycopg.connect(dsn, autocommit=True)

    def sql(self, statement: Query, *params: object) -> list[tuple[Any, ...]]:
        """Run one statement, as its own transaction; answer its rows."""
        cursor = self._session.execute(statement, params or None)
        return cursor.fetchall() if cursor.description is not None else []

    def value(self, statement: Query, *params: object) -> Any:  # any column's
        """The only column of the only row."""
        ((value,),) = self.sql(statement, *params)
        return value

    def session(self, **conninfo: Any) -> psycopg.Connection[Any]:
        """Another session, not autocommit; the test closes it."""
        return psycopg.connect(self.dsn, **conninfo)

    def dsn_of(self, **otherwise: Any) -> str:
        """The same database as somebody else, or by another way."""
        return make_conninfo(self.dsn, **otherwise)

    def effects(self) -> list[tuple[str, list[str]]]:
        """What refitd.change holds: (effect, modules), in order."""
        return [
            tuple(row) for row in self.sql("select effect, modules from refitd.change order by id")
        ]

    def close(self) -> None:
        """End the session."""
        self._session.close()


class Listener:
    """A session that counts what it hears on `refitd`."""

    def __init__(self, panel: Panel) -> None:
        self._session = psycopg.connect(panel.dsn, autocommit=True)
        self._session.execute("listen refitd")
        self._session.execute("listen refitd_status")
        self._panel = panel

    def heard(self) -> list[tuple[str, str]]:
        """All that was sent until now: a mark of our own is waited for, so nothing is missed."""
        self._panel.sql("select pg_notify('refitd', 'mark')")
        heard: list[tuple[str, str]] = []
        while ("refitd", "mark") not in heard:
            arrived: Sequence[psycopg.Notify] = list(
                self._session.notifies(timeout=10, stop_after=1)
            )
            assert arrived, "the mark did not arrive"
            heard += [(each.channel, each.payload) for each in arrived]
        return [each for each in heard if each != ("refitd", "mark")]

    def close(self) -> None:
        """End the session."""
        self._session.close()


@pytest.fixture(params=[18, 15])
def postgres(clusters: Clusters, request: pytest.FixtureRequest) -> Postgres:
    """A cluster of each version that refitd is held to."""
    return clusters.of(request.param)


@pytest.fixture
def migrated(clusters: Clusters, postgres: Postgres) -> str:
    """The name of a database with schema refitd and nothing else, to be copied."""
    if postgres.version not in clusters.migrated:
        name = postgres.create_database()
        migrate(postgres.dsn(name))
        clusters.migrated[postgres.version] = name
    return clusters.migrated[postgres.version]


@pytest.fixture
def bare(postgres: Postgres, migrated: str) -> Iterator[Panel]:
    """A database with schema refitd, and nothing watched."""
    name = postgres.create_database(template=migrated)
    panel = Panel(postgres.dsn(name))
    yield panel
    panel.close()
    postgres.drop_database(name)


@pytest.fixture
def panel(bare: Panel) -> Panel:
    """A database with a watched table `public.modules`."""
    bare.sql(MODULES)
    bare.sql("select refitd.watch('public.modules')")
    return bare


@pytest.fixture
def listener(panel: Panel) -> Iterator[Listener]:
    """Hears what the panel's writes notify."""
    listener = Listener(panel)
    yield listener
    listener.close()
