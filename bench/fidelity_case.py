"""The container of `bench.fidelity`: four generations of its image, and what its owner wants."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import docker

_MEGABYTE = 1 << 20
_RUNS = (
    'CMD ["python3", "-c", "import signal, sys; signal.signal(15, lambda *_: sys.exit(0)); '
    'signal.pause()"]'
)
#: What each generation of the image supplies, each in its own way.
GENERATIONS: tuple[tuple[str, ...], ...] = (
    (
        _RUNS,
        "ENV LEVEL=1 KEPT=same",
        "LABEL maker=first shared=both",
        "WORKDIR /srv",
        "EXPOSE 8080",
        "VOLUME /data",
    ),
    (
        _RUNS,
        "ENV LEVEL=2 NEWER=yes",
        "LABEL maker=second",
        "WORKDIR /opt",
        "EXPOSE 9090",
        "VOLUME /data /more",
    ),
    (
        _RUNS,
        "ENV LEVEL=3",
        "LABEL shared=third",
        "STOPSIGNAL SIGTERM",
        "VOLUME /data",
        'HEALTHCHECK --timeout=9s CMD ["false"]',
    ),
    (
        _RUNS,
        "ENV LEVEL=4 KEPT=other",
        "VOLUME /data",
        'HEALTHCHECK --interval=60s --timeout=7s --retries=2 CMD ["test", "-e", "/"]',
    ),
)

#: Where the container writes what must still be there: anonymous volumes, and one with a name.
DATA = ("/data", "/scratch", "/loose", "/nameless", "/named")


@dataclass(frozen=True)
class Case:
    """Everything of one run: names, network, folder and images."""

    name: str
    network: str
    volume: str
    folder: str
    images: tuple[str, ...]

    @property
    def image(self) -> str:
        """The tag that the owner runs; it moves from generation to generation."""
        return f"{self.name}:latest"


def request(case: Case) -> dict[str, Any]:
    """What the owner asks the engine for."""
    return {
        "Hostname": "panel-host",
        "Domainname": "example.org",
        "Env": ["LEVEL=9", "EMPTY=", "SPACES=a b  c"],
        "Cmd": ["python3", "-c", "import signal; signal.pause()", "own"],
        "Labels": {"maker": "us", "owner": "panel"},
        "Volumes": {"/scratch": {}},
        "Healthcheck": {"Test": ["CMD", "true"], "Interval": 90_000_000_000, "Retries": 4},
        "StopSignal": "SIGKILL",
        "StopTimeout": 3,
        "HostConfig": {
            "NetworkMode": case.network,
            "Memory": 96 * _MEGABYTE,
            "MemoryReservation": 48 * _MEGABYTE,
            "NanoCpus": 500_000_000,
            "PidsLimit": 90,
            "OomScoreAdj": 200,
            "ShmSize": 8 * _MEGABYTE,
            "Ulimits": [{"Name": "nofile", "Soft": 512, "Hard": 1024}],
            "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 4},
            "Binds": [f"{case.volume}:/named", f"{case.folder}:/folder:ro", "/loose"],
            "Tmpfs": {"/quick": "size=1m"},
            "Mounts": [
                {"Type": "tmpfs", "Target": "/tm", "TmpfsOptions": {"SizeBytes": _MEGABYTE}},
                {"Type": "volume", "Target": "/nameless"},
                {
                    "Type": "volume",
                    "Source": case.volume,
                    "Target": "/again",
                    "ReadOnly": True,
                    "VolumeOptions": {"NoCopy": True},
                },
            ],
            "Dns": ["192.0.2.53"],
            "DnsOptions": ["ndots:2"],
            "DnsSearch": ["example.org"],
            "ExtraHosts": ["db:192.0.2.1"],
            "CapAdd": ["NET_ADMIN"],
            "CapDrop": ["MKNOD"],
            "SecurityOpt": ["no-new-privileges"],
            "ReadonlyRootfs": True,
            "Sysctls": {"net.ipv4.ip_unprivileged_port_start": "0"},
            "Devices": [
                {
                    "PathOnHost": "/dev/null",
                    "PathInContainer": "/dev/nothing",
                    "CgroupPermissions": "rw",
                }
            ],
            "DeviceCgroupRules": ["c 1:3 r"],
            "GroupAdd": ["audio"],
            "Init": True,
        },
        "NetworkingConfig": {"EndpointsConfig": {case.network: {"Aliases": ["panel", "api"]}}},
    }


def service(case: Case) -> dict[str, Any]:
    """The same in the words of compose."""
    return {
        "image": case.image,
        "container_name": case.name,
        "hostname": "panel-host",
        "domainname": "example.org",
        "environment": ["LEVEL=9", "EMPTY=", "SPACES=a b  c"],
        "command": ["python3", "-c", "import signal; signal.pause()", "own"],
        "labels": {"maker": "us", "owner": "panel"},
        "healthcheck": {"test": ["CMD", "true"], "interval": "90s", "retries": 4},
        "stop_signal": "SIGKILL",
        "stop_grace_period": "3s",
        "networks": {"net": {"aliases": ["panel", "api"]}},
        "mem_limit": "96m",
        "mem_reservation": "48m",
        "cpus": 0.5,
        "pids_limit": 90,
        "oom_score_adj": 200,
        "shm_size": "8m",
        "ulimits": {"nofile": {"soft": 512, "hard": 1024}},
        "restart": "on-failure:4",
        "volumes": [
            "named:/named",
            f"{case.folder}:/folder:ro",
            "/loose",
            "/scratch",
            {"type": "volume", "target": "/nameless"},
            {"type": "tmpfs", "target": "/tm", "tmpfs": {"size": _MEGABYTE}},
            {
                "type": "volume",
                "source": "named",
                "target": "/again",
                "read_only": True,
                "volume": {"nocopy": True},
            },
        ],
        "tmpfs": ["/quick:size=1m"],
        "dns": ["192.0.2.53"],
        "dns_opt": ["ndots:2"],
        "dns_search": ["example.org"],
        "extra_hosts": ["db:192.0.2.1"],
        "cap_add": ["NET_ADMIN"],
        "cap_drop": ["MKNOD"],
        "security_opt": ["no-new-privileges"],
        "read_only": True,
        "sysctls": {"net.ipv4.ip_unprivileged_port_start": "0"},
        "devices": ["/dev/null:/dev/nothing:rw"],
        "device_cgroup_rules": ["c 1:3 r"],
        "group_add": ["audio"],
        "init": True,
    }


@contextmanager
def case(client: docker.DockerClient, base: str, name: str, folder: str) -> Iterator[Case]:
    """All that the container needs, there for the while."""
    images = []
    for number, lines in enumerate(GENERATIONS, 1):
        text = "\n".join((f"FROM {base}", *lines)) + "\n"
        tag = f"{name}-generation:{number}"
        client.images.build(fileobj=BytesIO(text.encode()), tag=tag, rm=True)
        images.append(tag)
    made = Case(name, f"{name}-net", f"{name}-named", folder, tuple(images))
    network = client.networks.create(made.network)
    volume = client.volumes.create(made.volume)
    try:
        yield made
    finally:
        for container in client.containers.list(all=True):
            if str(container.name).startswith(name):
                container.remove(force=True, v=True)
        network.remove()
        volume.remove(force=True)
        for tag in (made.image, *images):
            client.images.remove(tag, force=True)
