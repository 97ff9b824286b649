"""Kinds of containers that people run, as create requests, an area of options each.

`{net}`, `{other}`, `{named}`, `{friend}` and `{folder}` stand for what a test made; `{ip}` for an
address on `{net}`.
"""

from __future__ import annotations

from typing import Any

_MEGABYTE = 1 << 20
_ON_NET = {"NetworkMode": "{net}"}
_COMPOSE = {
    "com.docker.compose.project": "panel",
    "com.docker.compose.service": "backend",
    "com.docker.compose.config-hash": "0" * 64,
    "com.docker.compose.container-number": "1",
    "com.docker.compose.oneoff": "False",
}

KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "environment": {"Env": ["LEVEL=9", "EMPTY=", "SPACES=a b  c", "UNSET"]},
    "command": {"Cmd": ["python3", "-c", "import signal; signal.pause()", "own"]},
    "entrypoint": {"Entrypoint": ["python3", "-c"], "Cmd": ["import signal; signal.pause()"]},
    "entrypoint alone": {"Entrypoint": ["sleep", "infinity"]},
    "ports": {
        "ExposedPorts": {"9000/udp": {}},
        "HostConfig": {
            "PortBindings": {
                "8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": "{port}"}],
                "9000/udp": [{"HostIp": "", "HostPort": ""}],
            }
        },
    },
    "limits": {
        "HostConfig": {
            "Memory": 96 * _MEGABYTE,
            "MemoryReservation": 48 * _MEGABYTE,
            "NanoCpus": 500_000_000,
            "PidsLimit": 90,
            "OomScoreAdj": 200,
            "ShmSize": 8 * _MEGABYTE,
            "Ulimits": [{"Name": "nofile", "Soft": 512, "Hard": 1024}],
            "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 4},
        }
    },
    "swap of its own": {"HostConfig": {"Memory": 64 * _MEGABYTE, "MemorySwap": 96 * _MEGABYTE}},
    "volumes": {
        "Volumes": {"/scratch": {}},
        "HostConfig": {
            "Binds": ["{named}:/named", "{folder}:/folder:ro", "/loose"],
            "Tmpfs": {"/quick": "size=1m"},
            "Mounts": [
                {"Type": "tmpfs", "Target": "/tm", "TmpfsOptions": {"SizeBytes": _MEGABYTE}},
                {"Type": "volume", "Target": "/nameless"},
                {
                    "Type": "volume",
                    "Source": "{named}",
                    "Target": "/again",
                    "ReadOnly": True,
                    "VolumeOptions": {"NoCopy": True},
                },
            ],
        },
    },
    "network": {
        "HostConfig": _ON_NET,
        "NetworkingConfig": {"EndpointsConfig": {"{net}": {"Aliases": ["panel", "api"]}}},
    },
    "fixed address": {
        "HostConfig": _ON_NET,
        "NetworkingConfig": {"EndpointsConfig": {"{net}": {"IPAMConfig": {"IPv4Address": "{ip}"}}}},
    },
    "host network": {"HostConfig": {"NetworkMode": "host"}},
    "no network": {"HostConfig": {"NetworkMode": "none"}},
    "network of another": {"HostConfig": {"NetworkMode": "container:{friend}"}},
    "namespaces of the host": {"HostConfig": {"PidMode": "host", "IpcMode": "host"}},
    "ipc and pid of another": {
        "HostConfig": {"PidMode": "container:{friend}", "IpcMode": "container:{friend}"}
    },
    "names": {
        "Hostname": "panel-host",
        "Domainname": "example.org",
        "HostConfig": {
            **_ON_NET,
            "Dns": ["192.0.2.53"],
            "DnsOptions": ["ndots:2"],
            "DnsSearch": ["example.org"],
            "ExtraHosts": ["db:192.0.2.1"],
        },
    },
    "links": {"HostConfig": {"Links": ["{friend}:database"]}},
    "security": {
        "HostConfig": {
            "CapAdd": ["NET_ADMIN"],
            "CapDrop": ["MKNOD"],
            "SecurityOpt": ["no-new-privileges"],
            "ReadonlyRootfs": True,
            "Sysctls": {"net.ipv4.ip_unprivileged_port_start": "0"},
            "MaskedPaths": [],
            "ReadonlyPaths": [],
        }
    },
    "devices": {
        "HostConfig": {
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
        }
    },
    "health check": {
        "Healthcheck": {"Test": ["CMD", "true"], "Interval": 90_000_000_000, "Retries": 4}
    },
    "no health check": {"Healthcheck": {"Test": ["NONE"]}},
    "compose": {
        "Labels": {**_COMPOSE, "maker": "us", "shared": "own"},
        "HostConfig": _ON_NET,
        "NetworkingConfig": {"EndpointsConfig": {"{net}": {"Aliases": ["backend"]}}},
    },
    "stopping": {"StopSignal": "SIGINT", "StopTimeout": 3},
    "terminal": {"User": "1000:1000", "WorkingDir": "/tmp", "Tty": True, "OpenStdin": True},  # noqa: S108 - in a container
    "address of its card": {"MacAddress": "02:00:00:00:00:2a"},
    "log driver": {
        "HostConfig": {"LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}}}
    },
}

#: Kinds that not every machine may start: they are made and compared, and never run.
UNSTARTED: dict[str, dict[str, Any]] = {
    "privileged": {"HostConfig": {"Privileged": True}},
    "graphics card": {
        "HostConfig": {"DeviceRequests": [{"Driver": "", "Count": -1, "Capabilities": [["gpu"]]}]}
    },
}

#: The areas that go together in one container.
EVERYTHING = (
    "environment", "command", "limits", "volumes", "network", "names", "security", "devices",
    "health check", "compose", "stopping",
)  # fmt: skip


def everything() -> dict[str, Any]:
    """One container with the options of all those areas."""
    body: dict[str, Any] = {}
    for kind in EVERYTHING:
        host = {**body.get("HostConfig", {}), **KINDS[kind].get("HostConfig", {})}
        body = {**body, **KINDS[kind], "HostConfig": host}
    return body


def filled(value: Any, words: dict[str, str]) -> Any:
    """The same JSON with every `{word}` replaced."""
    match value:
        case dict():
            return {filled(key, words): filled(item, words) for key, item in value.items()}
        case list():
            return [filled(item, words) for item in value]
        case str():
            for word, meaning in words.items():
                value = value.replace("{" + word + "}", meaning)
            return value
        case _:
            return value
