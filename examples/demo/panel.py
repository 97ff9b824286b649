"""The web app: it writes rows, each in a transaction of its own, and knows nothing else.

What refitd has made of them is read here as well, from the tables that are there for that.
"""

from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import dict_row


@dataclass(frozen=True)
class Panel:
    """A panel and its table. `dsn` is its own; `overseer` may read refitd's tables too."""

    dsn: str
    overseer: str
    target: str
    table: tuple[str, str] = ("public", "modules")

    # -- writing --------------------------------------------------------------------------------

    def install(self, id_: str, *, enabled: bool = True) -> None:
        """A module with code in the backend."""
        self._write(
            "INSERT INTO {} (id, title, has_backend, enabled) VALUES (%s, %s, true, %s)",
            (id_, id_.replace("_", " ").title(), enabled),
        )

    def uninstall(self, id_: str) -> None:
        """Away with it."""
        self._write("DELETE FROM {} WHERE id = %s", (id_,))

    def switch(self, id_: str, *, on: bool) -> None:
        """On or off."""
        self._write("UPDATE {} SET enabled = %s WHERE id = %s", (on, id_))

    def retitle(self, id_: str, title: str) -> None:
        """A column that no backend is made of."""
        self._write("UPDATE {} SET title = %s, updated_at = now() WHERE id = %s", (title, id_))

    # -- reading --------------------------------------------------------------------------------

    def modules(self) -> tuple[list[str], list[str]]:
        """What should be built in, and what of it should be on, as the table says."""
        rows = self._read("SELECT id, enabled FROM {} WHERE has_backend ORDER BY id")
        return [row["id"] for row in rows], [row["id"] for row in rows if row["enabled"]]

    def deployments(self, *, after: int = 0) -> list[dict[str, Any]]:
        """refitd's deployments, oldest first."""
        return self._read(
            "SELECT * FROM refitd.deployment WHERE target = %s AND id > %s ORDER BY id",
            (self.target, after),
        )

    def build_log(self, deployment: int) -> str:
        """What the build and the failed container said."""
        rows = self._read(
            "SELECT line FROM refitd.build_log WHERE deployment_id = %s ORDER BY id", (deployment,)
        )
        return "\n".join(row["line"] for row in rows)

    def changes(self) -> int:
        """How many changes refitd's triggers have noted, ever."""
        query = "SELECT count(*) AS n FROM refitd.change WHERE target = %s"
        return int(self._read(query, (self.target,))[0]["n"])

    def status(self) -> dict[str, Any]:
        """What the web app would show of it."""
        return self._read("SELECT * FROM refitd.status WHERE target = %s", (self.target,))[0]

    def _write(self, statement: LiteralString, values: tuple[object, ...]) -> None:
        with psycopg.connect(self.dsn) as connection:
            connection.execute(self._on_table(statement), values)

    def _read(self, query: LiteralString, values: tuple[object, ...] = ()) -> list[dict[str, Any]]:
        with psycopg.connect(self.overseer, row_factory=dict_row) as connection:
            return connection.execute(self._on_table(query), values).fetchall()

    def _on_table(self, statement: LiteralString) -> sql.Composed:
        return sql.SQL(statement).format(sql.Identifier(*self.table))
