"""How a git remote is reached: dulwich's clients, each with an end to its patience.

A remote that accepts a connection and then says nothing must not hold up the daemon. HTTP has
a time-out in git's own configuration, ssh in its options; for `git://` dulwich has none, so
that client's connecting is done here.
"""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO
from urllib.parse import urlsplit

from dulwich.client import GitClient, TCPGitClient, get_transport_and_path
from dulwich.config import ConfigFile, StackedConfig
from dulwich.protocol import DEFAULT_GIT_PROTOCOL_VERSION_FETCH, Protocol

#: Of silence.
PATIENCE_S = 30.0
#: How often urllib3 tries by itself.
_HTTP_TRIES = 4

#: Nobody is there to answer a question, and a dead peer is noticed.
_SSH = (
    "ssh -o BatchMode=yes -o ConnectTimeout=15 -o ServerAliveInterval=10 -o ServerAliveCountMax=2"
)


@contextmanager
def reached(repo: str, patience_s: float = PATIENCE_S) -> Iterator[tuple[GitClient, bytes]]:
    """A client for the remote, and the path to ask it for. Hangs up at the end."""
    url = urlsplit(repo)
    if url.scheme == "git":
        assert url.hostname is not None, "the source was checked"
        client = _PatientTcp(url.hostname, url.port, patience_s)
        try:
            yield client, url.path.encode()
        finally:
            client.hang_up()
    else:
        yield _by_dulwich(repo, patience_s)


def _by_dulwich(repo: str, patience_s: float) -> tuple[GitClient, bytes]:
    # git's own variables come first, as an owner who sets them expects
    ssh = os.environ.get("GIT_SSH_COMMAND") or os.environ.get("GIT_SSH") or _SSH
    config = StackedConfig.default()
    ours = ConfigFile()
    ours.set((b"http",), b"timeout", str(patience_s / _HTTP_TRIES).encode())
    config.backends.append(ours)  # after the owner's, which decide
    client, path = get_transport_and_path(repo, config=config, quiet=True, ssh_command=ssh)
    return client, path.encode()


class _PatientTcp(TCPGitClient):
    def __init__(self, host: str, port: int | None, patience_s: float) -> None:
        super().__init__(host, port, quiet=True)
        self._patience_s = patience_s
        self._open: list[Protocol] = []

    def hang_up(self) -> None:
        """dulwich leaves the socket open where the other side misbehaves."""
        while self._open:
            self._open.pop().close()

    def _connect(
        self, cmd: bytes, path: str | bytes, protocol_version: int | None = None
    ) -> tuple[Protocol, Callable[[], bool], IO[bytes] | None]:
        wire = socket.create_connection((self._host, self._port), self._patience_s)
        reader = wire.makefile("rb")

        def close() -> None:
            reader.close()
            wire.close()

        def shutdown_write() -> None:
            with suppress(OSError):
                wire.shutdown(socket.SHUT_WR)

        def readable() -> bool:
            return bool(select.select([wire], [], [], 0)[0])

        def write(data: bytes) -> int:
            wire.sendall(data)
            return len(data)

        version = protocol_version or DEFAULT_GIT_PROTOCOL_VERSION_FETCH
        self.protocol_version = version
        protocol = Protocol(reader.read, write, close, shutdown_write=shutdown_write)
        self._open.append(protocol)
        where = path if isinstance(path, bytes) else path.encode()
        host = f"host={self._host}".encode() + b"\0\0version=%d\0" % version
        protocol.send_cmd(b"git-" + cmd, where, host)
        return protocol, readable, None
