"""A psycopg connection that can be cut: from any thread, at once, whatever the network does.

A connection whose other end fell silent blocks for ever, and no keepalive notices where a proxy
in between goes on answering them. Closing it is no way out: libpq is used by one thread at a
time, and closing a descriptor does not wake who waits for it. Shutting the socket down does: the
waiting call gets an end of file and returns with an error. It is done on a duplicate, so that
no descriptor is ever touched that libpq may have closed already.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg

from refitd.adapters.postgres.dsn import place, prepare
from refitd.adapters.postgres.translation import translate
from refitd.errors import DatabaseUnavailable, RefitdError

#: Above `dsn.STATEMENT_S`: the server's own answer comes first while the wire is whole.
DEADLINE_S = 5.0


class Wire:
    """One open connection, autocommit, with its cutter. Raises our errors on opening."""

    def __init__(self, dsn: str, name: str, connect_s: int | None = None) -> None:
        """`connect_s`: how long to wait for it, where that is not for the DSN to say."""
        self._place = place(dsn)
        try:
            self.connection = psycopg.connect(prepare(dsn, name, connect_s), autocommit=True)
        except psycopg.Error as error:
            raise translate(error, self._place) from error
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
