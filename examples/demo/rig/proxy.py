"""A TCP proxy that can cut the wire in each way a network does.

pass on   ──silence────▶   accepts, reads and acknowledges everything, and passes nothing on
          ──strand─────▶   the same for the connections there are; new ones work
          ──reset──────▶   every connection is reset
          ──refuse─────▶   nobody new is let in

It can also answer in the server's place, where an error of the server's cannot be had otherwise.
"""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading
from dataclasses import dataclass, field
from typing import Self

_LISTEN = re.compile(rb"\blisten\s", re.IGNORECASE)


@dataclass(eq=False)
class _Pair:
    """One connection: our end to the client, our end to the server."""

    client: socket.socket
    server: socket.socket
    silent: threading.Event = field(default_factory=threading.Event)
    #: Whether the client has said LISTEN; the server shows a session's last statement only.
    listens: bool = False

    def reset(self) -> None:
        for each in (self.client, self.server):
            with contextlib.suppress(OSError):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                each.shutdown(socket.SHUT_RD)  # wakes the thread that reads it
            with contextlib.suppress(OSError):
                each.close()


class Proxy:
    """In front of one server, on a port of its own; a context manager."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._pairs: list[_Pair] = []
        self._silent = False
        self._lock = threading.Lock()
        #: What is answered to a client that says something with these words in it.
        self.answers: dict[bytes, bytes] = {}

    def __enter__(self) -> Self:
        self._listen(0)
        return self

    def __exit__(self, *_: object) -> None:
        self.refuse()
        self.reset()

    def silence(self) -> None:
        """From now on nothing gets through, while both sides think all is well."""
        self._silent = True
        self.strand()

    def strand(self) -> None:
        """Nothing gets through any more on the connections there are; new ones work."""
        with self._lock:
            for pair in self._pairs:
                pair.silent.set()

    def heal(self) -> None:
        """Connections made from now on work again; those silenced have lost what was sent."""
        self._silent = False
        self.reset()

    def listening_ports(self) -> list[int]:
        """Of the connections whose client has said LISTEN, our ports at the server's end."""
        with self._lock:
            return [each.server.getsockname()[1] for each in self._pairs if each.listens]

    def reset(self) -> None:
        """RST on every connection there is."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            pair.reset()

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
            try:
                server = socket.create_connection(self._server)
            except OSError:  # nobody there: the client is told in the way the server would
                client.close()
                continue
            pair = _Pair(client, server)
            with self._lock:
                if self._silent:
                    pair.silent.set()
                self._pairs.append(pair)
            threading.Thread(target=self._carry, args=[pair], daemon=True).start()

    def _carry(self, pair: _Pair) -> None:
        back = threading.Thread(
            target=self._pass_on, args=(pair, pair.server, pair.client), daemon=True
        )
        back.start()
        self._pass_on(pair, pair.client, pair.server)
        back.join()
        with self._lock:
            if pair in self._pairs:  # else it was reset
                self._pairs.remove(pair)
                pair.reset()

    def _pass_on(self, pair: _Pair, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if source is pair.client and _LISTEN.search(data):
                    pair.listens = True
                answer = self._own_answer(data) if source is pair.client else None
                if answer is not None:
                    source.sendall(answer)
                elif not pair.silent.is_set():
                    target.sendall(data)
        # The one side hung up, or was reset: the other is told, unless nothing gets through.
        if not pair.silent.is_set():
            with contextlib.suppress(OSError):
                target.shutdown(socket.SHUT_WR)

    def _own_answer(self, said: bytes) -> bytes | None:
        return next((answer for words, answer in self.answers.items() if words in said), None)
