"""The old hand-over: a new container that stops and removes the one it replaces.

refitd does this from outside, having proven the new one first. Backends that were written
before it still carry code like this, and it wakes up at `REPLACING_CONTAINER`: so refitd
must never set that, nor carry it over. Here it stays asleep unless `HANDOVER=1`, and is
there to show, in the tests, that with refitd it is never called upon.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote


class Engine(HTTPConnection):
    """HTTP to the Docker engine's socket."""

    def __init__(self, path: str) -> None:
        """Remember the socket; connecting comes with the first request."""
        super().__init__("docker", timeout=60)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket's path, in place of a host."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)

    def ask(self, method: str, path: str) -> int:
        """Make a request and give its status."""
        self.request(method, path)
        response = self.getresponse()
        response.read()
        return response.status


def take_over(environ: Mapping[str, str]) -> None:
    """Stop and remove the container that is being replaced, if all of it is asked for."""
    name = environ.get("REPLACING_CONTAINER")
    path = environ.get("DOCKER_SOCKET", "/var/run/docker.sock")
    if environ.get("HANDOVER") != "1" or not name or not Path(path).is_socket():
        return
    engine = Engine(path)
    stopped = engine.ask("POST", f"/containers/{quote(name, safe='')}/stop")
    removed = engine.ask("DELETE", f"/containers/{quote(name, safe='')}?force=1")
    engine.close()
    print(f"took over from {name}: stop {stopped}, remove {removed}")
