"""The work connection: opened when needed, bounded in time, thrown away on any error.

After an error nobody can say what state a connection is in, and a new one costs a millisecond;
so none is ever mended. Used by one thread at a time: others wait, no longer than the deadlines
of those before them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg.rows import TupleRow

from refitd.adapters.postgres.dsn import place
from refitd.adapters.postgres.wire import DEADLINE_S, Wire


class Connection:
    """`name` is its application_name, as `pg_stat_activity` shows it."""

    def __init__(self, dsn: str, name: str) -> None:
        #: For messages; and a DSN that cannot be read is refused here.
        self.place = place(dsn)
        self._dsn = dsn
        self._name = name
        self._wire: Wire | None = None
        self._lock = threading.Lock()

    @contextmanager
    def use(self, deadline_s: float = DEADLINE_S) -> Iterator[psycopg.Connection[TupleRow]]:
        """The connection, each statement its own transaction. Raises our errors only."""
        with self._lock:
            wire = self._wire or Wire(self._dsn, self._name)
            self._wire = None  # comes back only if all goes well
            try:
                with wire.deadline(deadline_s):
                    yield wire.connection
            except psycopg.Error as error:
                ours = wire.our_error(error)
                wire.drop()
                raise ours from error
            except BaseException:
                wire.drop()
                raise
            if wire.was_cut:  # the deadline passed just too late to hurt
                wire.drop()
            else:
                self._wire = wire

    @contextmanager
    def transaction(self, deadline_s: float = DEADLINE_S) -> Iterator[psycopg.Connection[TupleRow]]:
        """All of it or nothing."""
        with self.use(deadline_s) as connection, connection.transaction():
            yield connection

    def close(self) -> None:
        """Let go of it; the next use opens a new one."""
        with self._lock:
            if self._wire is not None:
                self._wire.drop()
                self._wire = None
