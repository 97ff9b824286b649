"""The socket under a docker client, kept in hand so that another thread can cut it, or see its end.

The engine stops a build when its client hangs up, and only then. Closing the response is not
enough: it does not wake a thread that waits in `recv`, and while the engine clones a git
repository there is no response yet. So the sockets are noted as they are connected.
"""

from __future__ import annotations

import contextlib
import socket
from typing import Any

from docker import APIClient
from urllib3.util.wait import wait_for_read


class Wire:
    """All sockets that `client` opens from now on."""

    def __init__(self, client: APIClient) -> None:
        self._client = client
        self._sockets: list[socket.socket] = []
        self._watch(client.get_adapter(client.base_url))

    def cut(self) -> None:
        """Hang up at once, whoever reads or writes."""
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def has_news(self) -> bool:
        """Whether something can be read at once: an answer, or the end."""
        return any(wait_for_read(each, timeout=0) for each in self._sockets)

    def close(self) -> None:
        """Give everything back, once nobody reads any more."""
        for each in self._sockets:
            each.close()
        self._client.close()

    def _watch(self, adapter: Any) -> None:
        look_up = adapter.get_connection_with_tls_context

        def watched(*arguments: Any, **options: Any) -> Any:
            return self._noting(look_up(*arguments, **options))

        adapter.get_connection_with_tls_context = watched

    def _noting(self, pool: Any) -> Any:
        make = pool._new_conn  # noqa: SLF001 - the one place where every transport passes

        def noted() -> Any:
            connection = make()
            connect = connection.connect

            def connect_and_note() -> None:
                connect()
                self._sockets.append(connection.sock)

            connection.connect = connect_and_note
            return connection

        pool._new_conn = noted  # noqa: SLF001 - same
        return pool
