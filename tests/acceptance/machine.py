"""A machine of its own for refitd: a container in which systemd is process 1."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import docker
from docker.models.containers import Container

from tests.acceptance.panel import until

#: Where the engine's socket is mounted: not below /run, which the machine mounts anew.
SOCKET = "/srv/docker.sock"
_CGROUPS = Path("/sys/fs/cgroup")

#: What systemd needs to be one, short of `--privileged`.
_CAPABILITIES = ["SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE", "DAC_READ_SEARCH", "SYS_NICE"]


@dataclass
class Machine:
    """A booted machine; a context manager that takes it away."""

    client: docker.DockerClient
    image: str
    socket: Path
    config: Path

    def __enter__(self) -> Self:
        self.container: Container = self.client.containers.run(
            self.image,
            detach=True,
            cap_add=_CAPABILITIES,
            security_opt=["seccomp=unconfined", "apparmor=unconfined"],
            tmpfs={"/run": "", "/run/lock": "", "/tmp": ""},  # noqa: S108 - the machine's own
            volumes=[
                *_cgroup_volumes(),
                f"{self.socket}:{SOCKET}",
                f"{self.config}:/etc/refitd/refitd.toml:ro",
            ],
            cgroupns="host" if _unified() else None,
        )
        try:
            until(self._booted, "systemd is up", 60)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.container.remove(force=True, v=True)

    def run(self, *words: str) -> str:
        """What a command says; it must go well."""
        code, text = self._exec(*words)
        assert code == 0, f"{' '.join(words)} ended with {code}: {text}\n{self.journal()}"
        return text

    def systemctl(self, *words: str) -> str:
        """`systemctl` for the unit."""
        return self.run("systemctl", *words, "refitd.service")

    def shown(self, name: str) -> str:
        """A property of the unit."""
        return self.run("systemctl", "show", "--value", f"--property={name}", "refitd").strip()

    def verify(self) -> list[str]:
        """What systemd finds wrong with the unit."""
        return self.run("systemd-analyze", "verify", "--man=no", "refitd.service").splitlines()

    def drop_in(self, text: str) -> None:
        """What `systemctl edit` would write."""
        folder = "/etc/systemd/system/refitd.service.d"
        self.run("sh", "-c", f'mkdir -p {folder} && echo "$0" >{folder}/test.conf', text)
        self.run("systemctl", "daemon-reload")

    def journal(self) -> str:
        """All that the unit has said, and what systemd said of it."""
        return self._exec("journalctl", "--no-pager", "--output=cat", "--unit=refitd")[1]

    def events(self, name: str) -> list[Mapping[str, Any]]:
        """The daemon's own events of this name."""
        lines = (line for line in self.journal().splitlines() if line.startswith("{"))
        return [event for event in map(json.loads, lines) if event.get("event") == name]

    def _booted(self) -> bool:
        return self._exec("systemctl", "is-system-running")[1].strip() in ("running", "degraded")

    def _exec(self, *words: str) -> tuple[int, str]:
        code, output = self.container.exec_run(list(words))
        assert isinstance(output, bytes)
        return code or 0, output.decode(errors="replace")


def _unified() -> bool:
    return (_CGROUPS / "cgroup.controllers").exists()


def _cgroup_volumes() -> list[str]:
    folder = _CGROUPS if _unified() else _CGROUPS / "systemd"
    return [f"{folder}:{folder}:rw"]
