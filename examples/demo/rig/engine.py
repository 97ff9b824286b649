"""The Docker engine of the rig: the one that is there, else a private one.

DOCKER_HOST is taken at its word; else this machine's usual sockets are tried. Where none answers,
root gets a private engine (see `dockerd`), from Debian's `docker.io` if that is not installed.
"""

import os
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from itertools import count
from pathlib import Path
from typing import Any, Self

import docker
from docker.errors import NotFound

from rig.dockerd import Dockerd, answers, private_dockerd
from rig.missing import MissingPart
from rig.network import free_block

_BUILD_S = 900  # a build step may be silent for long

_HOW = """\
no Docker engine answers here. Please do one of these:
  - start the engine that is installed, or set DOCKER_HOST to one that runs;
  - join the group that may use its socket (sudo usermod -aG docker $USER, then log in again);
  - run this as root on Debian or Ubuntu: it then starts a private engine and removes it again."""


class Engine:
    """An engine to build and run on, as a context manager.

    A private engine goes at the end with all that it runs. On one that was there before, whoever
    made a container takes it away; `private` tells the two apart.
    """

    host: str

    def __init__(self, root: Path | None = None, settings: Mapping[str, Any] | None = None) -> None:
        """With `root` a private one in any case: the program of the file system there."""
        self._root, self._settings = root, settings
        self._stack = ExitStack()
        self._dockerd: Dockerd | None = None
        self._left = False
        self._subnets = count(1)

    def __enter__(self) -> Self:
        try:
            self.host = (None if self._root else _running()) or self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self.private and not self._left:
            self._empty()
        self._stack.close()

    @property
    def private(self) -> bool:
        """Whether the engine is ours alone."""
        return self._dockerd is not None

    @property
    def dockerd(self) -> Dockerd | None:
        """The private engine's process, which may be killed and started again."""
        return self._dockerd

    @property
    def socket(self) -> Path:
        """The engine's socket, for one that has to mount it."""
        assert self.host.startswith("unix://"), f"{self.host} is not a socket"
        return Path(self.host.removeprefix("unix://"))

    @property
    def folder(self) -> Path:
        """A folder that a private engine and we see at the same place: mounts may come from it."""
        assert self._dockerd is not None, "an engine that was there before has no folder of ours"
        return self._dockerd.folder / "shared"

    def seen(self, path: str) -> Path:
        """A path of a private engine's, as we see it."""
        assert self._dockerd is not None, "an engine that was there before keeps its data to itself"
        return Path(f"/proc/{self._dockerd.child.pid}/root{path}")

    def inside(self, *argv: str) -> list[str]:
        """A command that runs where a private engine runs, on its file system."""
        assert self._dockerd is not None, "an engine that was there before is not entered"
        return ["nsenter", f"--target={self._dockerd.child.pid}", "--mount", "--", *argv]

    def reload(self, settings: Mapping[str, Any]) -> None:
        """Another `daemon.json` for a private engine, as far as it is read without a restart."""
        assert self._dockerd is not None, "an engine that was there before has settings of its own"
        self._dockerd.reload(settings)

    def client(self) -> docker.DockerClient:
        """A client of the docker SDK, closed with the engine."""
        client = docker.DockerClient(self.host, timeout=_BUILD_S)
        self._stack.callback(client.close)
        return client

    def gateway(self) -> str:
        """The address by which a container on the default network reaches this machine."""
        bridge = self.client().networks.get("bridge")
        address: str = bridge.attrs["IPAM"]["Config"][0]["Gateway"]
        return address

    def subnet(self) -> str:
        """A /24 that is free, for a network with addresses of a test's own choice."""
        if self._dockerd is None:
            return free_block().subnet(1)
        return self._dockerd.block.subnet(next(self._subnets))

    def leave(self) -> str:
        """Lets a private engine run on; returns the command that takes it down, if it takes one."""
        if self._dockerd is None:
            return ""
        self._left = True
        return f"kill {self._dockerd.child.leave()}"

    def _start(self) -> str:
        if os.geteuid() != 0:
            raise MissingPart(_HOW)
        self._dockerd = self._stack.enter_context(private_dockerd(self._root, self._settings))
        return self._dockerd.host

    def _empty(self) -> None:
        # At a word from us, containers end at once; an engine that is stopped asks them nicely.
        client = self.client()
        for container in client.containers.list(all=True, ignore_removed=True):
            with suppress(NotFound):
                container.remove(force=True, v=True)
        client.networks.prune()


def _running() -> str | None:
    if named := os.environ.get("DOCKER_HOST"):
        if answers(named):
            return named
        raise MissingPart(f"no engine answers at {named}, which DOCKER_HOST names")
    return next((host for host in _usual() if answers(host)), None)


def _usual() -> list[str]:
    folders = ["/var/run", os.environ.get("XDG_RUNTIME_DIR")]  # the second: a rootless engine
    return [f"unix://{folder}/docker.sock" for folder in folders if folder]
