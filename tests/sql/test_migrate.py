"""`refitd migrate` and plain `psql -f`: the same files, the same schema, as often as one likes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import psycopg
import pytest

from refitd.adapters.postgres import migrate
from refitd.adapters.postgres.migrate import sql_files
from refitd.errors import DatabaseRefused, DatabaseUnavailable
from rig.postgres import Postgres
from tests.panel import Panel

SQL = Path(__file__).parents[2] / "sql"


def psql(postgres: Postgres, dsn: str) -> str:
    """Apply all files in order, as a person would; answers what was complained of."""
    files = [option for file in sorted(SQL.glob("*.sql")) for option in ("-f", str(file))]
    done = subprocess.run(
        [postgres.program("psql"), "--no-psqlrc", "-q", "-v", "ON_ERROR_STOP=1", *files, dsn],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def shape(postgres: Postgres, dsn: str) -> str:
    """The schema as pg_dump tells it, privileges and all."""
    dumped = subprocess.run(
        [postgres.program("pg_dump"), "--schema-only", "--schema", "refitd", dsn],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return "\n".join(line for line in dumped.splitlines() if not line.startswith("\\"))


def test_twice(database: str, postgres: Postgres) -> None:
    """Applied twice, every file is named twice, and the schema is as after the first time."""
    first = migrate(database)
    assert first == sorted(file.name for file in SQL.glob("*.sql"))
    once = shape(postgres, database)
    assert migrate(database) == first
    assert shape(postgres, database) == once


def test_psql(database: str, postgres: Postgres) -> None:
    """psql -f makes the very same schema, and may follow upon migrate or be followed by it."""
    psql(postgres, database)
    by_hand = shape(postgres, database)
    psql(postgres, database)
    migrate(database)
    assert shape(postgres, database) == by_hand
    other = postgres.create_database()
    migrate(postgres.dsn(other))
    assert shape(postgres, postgres.dsn(other)) == by_hand
    postgres.drop_database(other)


def test_nothing_is_lost(panel: Panel) -> None:
    """Applying the files again leaves what is watched, written and owned as it is."""
    panel.sql("insert into modules values ('a', '', true, true)")
    migrate(panel.dsn)
    panel.sql("delete from modules")
    assert panel.effects() == [("rebuild", ["a"]), ("rebuild", ["a"])]


def test_panel_at_work(panel: Panel) -> None:
    """Applying the files waits for no lock on the panel's table: its writes go on meanwhile."""
    writer = panel.session()
    writer.execute("insert into modules values ('a', '', true, true)")
    writer.execute("lock table modules in access exclusive mode")
    migrate(panel.dsn)
    writer.commit()
    writer.close()


ROLES = "select array_agg(rolname::text) from pg_roles where rolname like 'refitd%'"


def test_as_owner_of_the_database(postgres: Postgres) -> None:
    """No superuser is needed. Without the right to create roles a notice says how to go on."""
    with Postgres() as cluster:  # one that has never seen our roles
        root = psycopg.connect(cluster.dsn(), autocommit=True)
        root.execute("create role landlord login password 'landlord'")
        root.execute("create database house owner landlord")
        dsn = f"postgresql://landlord:landlord@127.0.0.1:{cluster.port}/house"
        assert "role refitd_web is missing and landlord may not create it" in psql(postgres, dsn)
        migrate(dsn)
        assert root.execute(ROLES).fetchone() == (None,)
        with psycopg.connect(dsn, autocommit=True) as session:
            session.execute("create schema shop")
            session.execute("create table shop.t (id text, has_backend boolean, enabled boolean)")
            session.execute("select refitd.watch('shop.t')")
            session.execute("insert into shop.t values ('a', true, true)")
            assert session.execute("select id from refitd.module").fetchall() == [("a",)]
            assert session.execute("select count(*) from refitd.change").fetchall() == [(1,)]

        root.execute("create role refitd_web nologin")
        migrate(dsn)
        granted = "select has_table_privilege('refitd_web', 'refitd.status', 'select')"
        with psycopg.connect(dsn) as session:
            assert session.execute(granted).fetchone() == (True,)
        root.close()


def test_failure_is_named(database: str) -> None:
    """A file that cannot be applied is named with its reason, and none is applied."""
    with psycopg.connect(database, autocommit=True) as session:
        session.execute("create schema refitd")
        session.execute("create table refitd.request (note text)")
        with pytest.raises(DatabaseRefused, match=r"^002_tables\.sql could not be applied"):
            migrate(database)
        assert session.execute("select to_regclass('refitd.watched')").fetchall() == [(None,)]


def test_one_at_a_time(database: str) -> None:
    """A migration that finds another under way waits for it, and not for ever."""
    with psycopg.connect(database) as other:
        other.execute("select pg_advisory_xact_lock(125779835450468)")
        with pytest.raises(DatabaseUnavailable, match="lock timeout"):
            migrate(database)
    migrate(database)


def test_files() -> None:
    """The files are found in a checkout, in order, and there is nothing else in their folder."""
    assert [file.name for file in sql_files()] == sorted(path.name for path in SQL.iterdir())
