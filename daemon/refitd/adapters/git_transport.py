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
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from dulwich.client import (
    GitClient,
    SSHGitClient,
    SubprocessSSHVendor,
    SubprocessWrapper,
    TCPGitClient,
    get_transport_and_path,
)
from dulwich.config import ConfigFile, StackedConfig
from dulwich.errors import GitProtocolError
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
    if url.scheme in ("http", "https"):
        yield _by_dulwich(repo, patience_s)
        return
    client: _PatientTcp | _Ssh
    if url.scheme == "git":
        assert url.hostname is not None, "the source was checked"
        client, path = _PatientTcp(url.hostname, url.port, patience_s), url.path
    else:
        user, host, port, path = _ssh_place(repo)
        client = _Ssh(host, port, user)
    try:
        yield client, path.encode()
    finally:
        client.hang_up()


def _by_dulwich(repo: str, patience_s: float) -> tuple[GitClient, bytes]:
    config = StackedConfig.default()
    ours = ConfigFile()
    ours.set((b"http",), b"timeout", str(patience_s / _HTTP_TRIES).encode())
    config.backends.append(ours)  # after the owner's, which decide
    client, path = get_transport_and_path(repo, config=config, quiet=True)
    return client, path.encode()


def _ssh_place(repo: str) -> tuple[str | None, str, int | None, str]:
    """User, host, port and path, of either form. ssh asks for no password that stands in a URL.

    >>> _ssh_place("git@git.example.org:panel/core.git")
    ('git', 'git.example.org', None, 'panel/core.git')
    >>> _ssh_place("ssh://git@git.example.org:2222/panel/core.git")
    ('git', 'git.example.org', 2222, '/panel/core.git')
    """
    url = urlsplit(repo)
    if url.scheme == "ssh":
        assert url.hostname is not None, "the source was checked"
        return url.username and unquote(url.username), url.hostname, url.port, unquote(url.path)
    place, _, path = repo.partition(":")
    user, _, host = place.rpartition("@")
    return user, host, None, path


class _Ssh(SSHGitClient):
    """By the program ssh, which dulwich leaves running where the server refuses."""

    def __init__(self, host: str, port: int | None, user: str | None) -> None:
        # git's own variables come first, as an owner who sets them expects
        ssh = os.environ.get("GIT_SSH_COMMAND") or os.environ.get("GIT_SSH") or _SSH
        self._vendor = _NotingVendor()
        super().__init__(host, port, user, self._vendor, ssh_command=ssh, quiet=True)
        self._open: list[Protocol] = []

    def hang_up(self) -> None:
        """What has ended by itself is none the worse for it."""
        for begun in self._vendor.begun:
            begun.proc.terminate()
        while self._open:
            with suppress(GitProtocolError):  # it had to be killed
                self._open.pop().close()

    def _connect(
        self, cmd: bytes, path: str | bytes, protocol_version: int | None = None
    ) -> tuple[Protocol, Callable[[], bool], IO[bytes] | None]:
        protocol, readable, words = super()._connect(cmd, path, protocol_version)
        self._open.append(protocol)
        return protocol, readable, words


class _NotingVendor(SubprocessSSHVendor):
    """Keeps what it has begun."""

    def __init__(self) -> None:
        super().__init__()
        self.begun: list[SubprocessWrapper] = []

    def run_command(self, *arguments: Any, **options: Any) -> SubprocessWrapper:
        self.begun.append(super().run_command(*arguments, **options))
        return self.begun[-1]


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
