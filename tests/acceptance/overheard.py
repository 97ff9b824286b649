"""The engine's socket for a container, with somebody listening in."""

from __future__ import annotations

import socket
import socketserver
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Self


class Overheard(socketserver.ThreadingUnixStreamServer):
    """Hands everything on to the engine, and remembers what it was asked; a context manager."""

    daemon_threads = True

    def __init__(self, path: Path, engine: Path) -> None:
        self.path, self.engine = path, engine
        self.asked: list[str] = []
        super().__init__(str(path), _Conversation)
        path.chmod(0o666)  # the container's user is nobody

    def __enter__(self) -> Self:
        Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()
        self.path.unlink()


class _Conversation(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, Overheard)
        with socket.socket(socket.AF_UNIX) as engine:
            engine.connect(str(self.server.engine))
            back = Thread(target=_pump, args=(engine, self.request), daemon=True)
            back.start()
            while heard := self.request.recv(65536):
                first = heard.split(b"\r\n", 1)[0].decode(errors="replace")
                if first.endswith("HTTP/1.1"):
                    self.server.asked.append(first.removesuffix(" HTTP/1.1"))
                engine.sendall(heard)
            engine.shutdown(socket.SHUT_WR)
            back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while said := source.recv(65536):
            sink.sendall(said)
