"""A reverse proxy, as small as one can be: `python3 proxy.py PORT HOST:PORT`.

It asks for the backend's address anew for each connection, and knocks a second time where nobody
is at home, as any proxy does. In the demo it runs in a container, beside the backend.
"""

import socket
import socketserver
import sys
from contextlib import suppress
from threading import Thread

_, PORT, UPSTREAM = sys.argv
HOST, _, UPSTREAM_PORT = UPSTREAM.partition(":")
KNOCKS = 2
TIMEOUT_S = 10.0


class Conversation(socketserver.BaseRequestHandler):
    """One connection, passed on both ways until the backend has said all."""

    def handle(self) -> None:
        """Pass it on."""
        backend = connected()
        if backend is None:
            return
        with backend:
            Thread(target=pour, args=(self.request, backend), daemon=True).start()
            pour(backend, self.request)


class Proxy(socketserver.ThreadingTCPServer):
    """A thread for each connection."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128


def connected() -> socket.socket | None:
    """A connection to the backend; None where nobody answers."""
    for _knock in range(KNOCKS):
        with suppress(OSError):
            return socket.create_connection((HOST, int(UPSTREAM_PORT)), timeout=TIMEOUT_S)
    return None


def pour(source: socket.socket, into: socket.socket) -> None:
    """All that the one says goes to the other, its end included."""
    with suppress(OSError):
        while some := source.recv(65536):
            into.sendall(some)
        into.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    Proxy(("", int(PORT)), Conversation).serve_forever()
