"""The panels' database: two tables of modules, and a role for each who comes near them."""

from pathlib import Path

import psycopg
from psycopg import sql

from panel import Panel
from rig.postgres import Postgres
from target import Target

ROOT = Path(__file__).resolve().parents[2]
NAME = "panel"
#: The panels own their tables, backends read them, and refitd may do what it must.
ROLES = ("panel", "backend", "refitd")
SCHEMAS = ("public", "shop")


class Database:
    """A database on a server, with all that panels need."""

    def __init__(self, server: Postgres) -> None:
        self._server = server
        server.create_database(NAME)
        with psycopg.connect(self.owner) as connection:
            for role in ROLES:
                self._let_in(connection, role)
            for schema in SCHEMAS:
                _make_table(connection, schema)

    @property
    def owner(self) -> str:
        """For who may do everything."""
        return self._server.dsn(NAME)

    def dsn(self, role: str, host: str = "127.0.0.1") -> str:
        """For one of the roles."""
        return self._server.dsn(NAME, host=host).replace("//postgres:", f"//{role}:")

    def panel(self, target: str, schema: str) -> Panel:
        """A panel that works on the table of this schema."""
        return Panel(self.dsn("panel"), self.owner, target, (schema, "modules"))

    def watch(self, *targets: Target) -> None:
        """What an administrator does once refitd's schema is there."""
        with psycopg.connect(self.owner) as connection:
            connection.execute("GRANT refitd_daemon TO refitd")
            connection.execute("GRANT refitd_web TO panel")
            for target in targets:
                table = ".".join(target.panel.table)
                connection.execute("SELECT refitd.watch(%s, %s)", (table, target.name))

    def _let_in(self, connection: psycopg.Connection, role: str) -> None:
        connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                sql.Identifier(role), sql.Literal(self._server.password)
            )
        )


def _make_table(connection: psycopg.Connection, schema: str) -> None:
    named = sql.Identifier(schema)
    connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(named))
    connection.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO panel, backend").format(named))
    connection.execute(sql.SQL("SET LOCAL search_path TO {}").format(named))
    connection.execute((ROOT / "examples/modules.sql").read_bytes())
    connection.execute("ALTER TABLE modules OWNER TO panel")
    connection.execute("GRANT SELECT ON modules TO backend")
