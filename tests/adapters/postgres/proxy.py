"""A TCP proxy that can cut the wire in each way a network does.

pass on   ──silence──▶   accepts, reads and acknowledges everything, and passes nothing on
          ──reset────▶   every connection is reset
          ──refuse───▶   nobody is let in
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from typing import Self


class Proxy:
    """In front of one server, on a port of its own; a context manager."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._sockets: list[socket.socket] = []
        self._silent = threading.Event()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._listen(0)
        return self

    def __exit__(self, *_: object) -> None:
        self.refuse()
        self.reset()

    def silence(self) -> None:
        """From now on nothing gets through, while both sides think all is well."""
        self._silent.set()

    def heal(self) -> None:
        """Connections made from now on work again; those silenced have lost what was sent."""
        self.reset()
        self._silent.clear()

    def reset(self) -> None:
        """RST on every connection there is."""
        with self._lock:
            sockets, self._sockets = self._sockets, []
        for each in sockets:
            with contextlib.suppress(OSError):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                each.shutdown(socket.SHUT_RD)  # wakes the thread that reads it
            each.close()

    def refuse(self) -> None:
        """Nobody new gets in."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def admit(self) -> None:
        """Let them in again, on the same port."""
        self._listen(self.port)

    def _listen(self, port: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._admit, args=[self._listener], daemon=True).start()

    def _admit(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._server)
            with self._lock:
                self._sockets += [client, server]
            for pair in ((client, server), (server, client)):
                threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not self._silent.is_set():
                    target.sendall(data)
            if not self._silent.is_set():
                target.shutdown(socket.SHUT_WR)
