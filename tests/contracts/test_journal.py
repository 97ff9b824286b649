"""The journal's contract, kept by the fake and by Postgres alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from refitd.adapters.postgres import Connection, PgDesk, PgJournal, PgLeases
from refitd.core.deployment import Answer, RequestKind
from refitd.core.module import Row
from tests.contracts.journal import TARGET, JournalContract
from tests.contracts.memory_journal import MemoryDatabase, MemoryJournal
from tests.panel import Panel


class MemoryBooks:
    """The fake."""

    def __init__(self) -> None:
        self._database = MemoryDatabase()
        self._database.watch(TARGET)

    def journal(self, instance: str = "one") -> MemoryJournal:
        """An instance's journal."""
        return MemoryJournal(self._database, instance)

    leases = journal

    def put(self, id_: str, *, enabled: bool = True) -> None:
        """Insert or update."""
        others = [row for row in self._database.rows[TARGET] if row.id != id_]
        self._database.write(TARGET, *others, Row(id_, None, enabled))

    def ask(self, kind: RequestKind, args: dict[str, Any] | None = None) -> int:
        """A request."""
        return self._database.ask(TARGET, kind, args)

    def answer(self, request_id: int) -> Answer:
        """Its fate."""
        return self._database.answer(request_id)


class PostgresBooks:
    """The real thing."""

    def __init__(self, panel: Panel) -> None:
        self._panel = panel
        self._connection = Connection(panel.dsn, "contract")

    def journal(self, instance: str = "one") -> PgJournal:
        """An instance's journal."""
        return PgJournal(self._connection, instance)

    def leases(self, instance: str = "one") -> PgLeases:
        """An instance's leases."""
        return PgLeases(self._connection, instance)

    def put(self, id_: str, *, enabled: bool = True) -> None:
        """Insert or update."""
        self._panel.sql(
            "insert into modules (id, has_backend, enabled) values (%s, true, %s)"
            " on conflict (id) do update set enabled = excluded.enabled",
            id_,
            enabled,
        )

    def ask(self, kind: RequestKind, args: dict[str, Any] | None = None) -> int:
        """A request."""
        return PgDesk(self._connection).request(TARGET, kind, args or {})

    def answer(self, request_id: int) -> Answer:
        """Its fate."""
        return PgDesk(self._connection).answer(request_id)

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()


class TestMemory(JournalContract):
    """The fake that the shell's tests run on."""

    @pytest.fixture
    def books(self) -> MemoryBooks:
        """In memory."""
        return MemoryBooks()


class TestPostgres(JournalContract):
    """The adapter, against a real server."""

    @pytest.fixture
    def books(self, panel: Panel) -> Iterator[PostgresBooks]:
        """In Postgres."""
        books = PostgresBooks(panel)
        yield books
        books.close()
