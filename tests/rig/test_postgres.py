"""The embedded Postgres is a real one, and each test has a database of its own."""

import psycopg
import pytest

from rig.postgres import Postgres


def _ask(dsn: str, query: str) -> object:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(query.encode()).fetchone()
        return row[0] if row else None


def test_it_is_postgres_18(database: str) -> None:
    """The newest Postgres of the wheel answers over TCP."""
    assert str(_ask(database, "SHOW server_version")).startswith("18.")


@pytest.mark.parametrize("round_", ["first", "second"])
def test_a_database_is_fresh(database: str, round_: str) -> None:
    """What one test wrote, no other finds."""
    assert _ask(database, "SELECT to_regclass('notes')") is None
    with psycopg.connect(database) as connection:
        connection.execute("CREATE TABLE notes (note text)")
        connection.execute("INSERT INTO notes VALUES (%s)", (round_,))


def test_a_database_can_be_a_copy(postgres: Postgres, database: str) -> None:
    """A template saves each test the work of migrating."""
    with psycopg.connect(database) as connection:
        connection.execute("CREATE TABLE notes AS SELECT 'kept' AS note")
    copy = postgres.create_database(template=database.rpartition("/")[2])
    assert _ask(postgres.dsn(copy), "SELECT note FROM notes") == "kept"
    postgres.drop_database(copy)


def test_a_wrong_password_is_refused(postgres: Postgres) -> None:
    """It listens on every address for the containers' sake, so it asks for a password."""
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres.dsn().replace(postgres.password, "wrong"))


@pytest.mark.postgres
def test_what_was_committed_survives_a_crash() -> None:
    """A cluster that is stopped `immediate` recovers, on the same port."""
    with Postgres() as cluster:
        with psycopg.connect(cluster.dsn()) as connection:
            connection.execute("CREATE TABLE notes AS SELECT 'kept' AS note")
        cluster.restart("immediate")
        assert _ask(cluster.dsn(), "SELECT note FROM notes") == "kept"
