"""A psycopg connection that can be cut: from any thread, at once, whatever the network does.

A connection whose other end fell silent blocks for ever, and no keepalive notices where a proxy
in between goes on answering them. Closing it is no way out: libpq is used by one thread at a
time, and closing a descriptor does not wake who waits for it. Shutting the socket down does: the
waiting call gets an end of file and returns with an error. It is done on a duplicate, so that
no descriptor is ever touched that libpq may have closed already.

One that is being opened has no socket to shut yet, and a look-up of its host's name cannot be
interrupted at all. So it is opened by a thread of its own, which who waits for it can leave alone.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg
from psycopg.rows import TupleRow

from refitd.adapters.postgres.dsn import place, prepare
from refitd.adapters.postgres.translation import translate
from refitd.errors import DatabaseUnavailable, RefitdError

#: Above `dsn.STATEMENT_S`: the server's own answer comes first while the wire is whole.
DEADLINE_S = 5.0


class Opening:
    """A connection that is being opened. One that comes when nobody waits any more is closed."""

    def __init__(self, dsn: str, name: str) -> None:
        self._place = place(dsn)
        self._answered = threading.Event()
        self._settling = threading.Lock()
        self._given_up = False
        self._wire: Wire | None = None
        self._error: psycopg.Error | None = None
        opening = threading.Thread(
            target=self._open, args=[prepare(dsn, name)], name="opening", daemon=True
        )
        opening.start()

    def cut(self) -> None:
        """Nobody waits for it any longer. Any thread; at once."""
        with self._settling:
            self._given_up = self._wire is None
        self._answered.set()

    def wire(self, within_s: float | None = None) -> Wire:
        """Wait for it as long as its DSN says, or no longer than that. Raises our errors only."""
        if not self._answered.wait(within_s):
            self.cut()
        if self._wire is not None:
            return self._wire
        if self._error is not None:
            raise translate(self._error, self._place) from self._error
        raise DatabaseUnavailable(f"{self._place}: no connection came about in time (timeout)")

    def _open(self, conninfo: str) -> None:
        try:
            connection = psycopg.connect(conninfo, autocommit=True)
        except psycopg.Error as error:
            self._error = error
        else:
            with self._settling:
                if self._given_up:
                    connection.close()
                else:
                    self._wire = Wire(connection, self._place)
        finally:
            self._answered.set()


class Wire:
    """One open connection, autocommit, with its cutter."""

    def __init__(self, connection: psycopg.Connection[TupleRow], place_: str) -> None:
        self.connection, self._place = connection, place_
        self._socket = socket.socket(fileno=os.dup(self.connection.fileno()))
        self._shutting = threading.Lock()
        self.was_cut = False

    def cut(self) -> None:
        """Wakes whoever waits on this connection, with an error. It is of no use afterwards."""
        self.was_cut = True
        self._shut_down()

    def drop(self) -> None:
        """Give everything back. By the thread that uses the connection; it never waits."""
        self._shut_down()
        self.connection.close()
        with self._shutting:
            self._socket.close()

    @contextmanager
    def deadline(self, seconds: float) -> Iterator[None]:
        """What happens inside ends within `seconds`, if need be by cutting."""
        watchdog = threading.Timer(seconds, self.cut)
        watchdog.daemon = True
        watchdog.start()
        try:
            yield
        finally:
            watchdog.cancel()

    def our_error(self, error: psycopg.Error) -> RefitdError:
        """What an error on this connection means to the rest of refitd."""
        if self.was_cut:
            return DatabaseUnavailable(f"{self._place}: it fell silent, and was hung up on")
        return translate(error, self._place)

    def _shut_down(self) -> None:
        with self._shutting, suppress(OSError):  # gone already
            self._socket.shutdown(socket.SHUT_RDWR)
