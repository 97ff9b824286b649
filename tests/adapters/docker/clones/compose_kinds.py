"""Kinds of containers that people make with compose, a service each, all of one project.

The placeholders are those of `api_kinds`.
"""

from __future__ import annotations

from typing import Any

SERVICES: dict[str, dict[str, Any]] = {
    "plain": {},
    "environment": {"environment": {"LEVEL": "9", "EMPTY": ""}, "labels": {"maker": "us", "own": "yes"}},
    "command": {"command": ["tail", "-f", "/etc/passwd"]},
    "entrypoint": {"entrypoint": ["tail", "-f"], "command": ["/etc/group"]},
    "user": {
        "user": "1000:1000",
        "working_dir": "/tmp",  # noqa: S108 - in a container
        "group_add": ["audio"],
        "hostname": "panel-host",
        "domainname": "example.org",
    },
    "health": {"healthcheck": {"test": ["CMD", "true", "own"], "interval": "90s", "retries": 4}},
    "no-health": {"healthcheck": {"disable": True}},
    "stopping": {
        "restart": "unless-stopped",
        "stop_signal": "SIGHUP",
        "stop_grace_period": "1s",
        "tty": True,
        "stdin_open": True,
        "init": True,
    },
    "limits": {
        "deploy": {"resources": {"limits": {"memory": "96M", "cpus": "0.5", "pids": 90}}},
        "ulimits": {"nproc": 300, "nofile": {"soft": 512, "hard": 1024}},
        "shm_size": "8m",
        "oom_score_adj": 200,
        "logging": {"driver": "json-file", "options": {"max-size": "1m"}},
    },
    "security": {
        "cap_add": ["NET_ADMIN"],
        "cap_drop": ["MKNOD"],
        "security_opt": ["no-new-privileges:true"],
        "read_only": True,
        "sysctls": {"net.ipv4.ip_unprivileged_port_start": "0"},
        "devices": ["/dev/null:/dev/nothing:rw"],
        "ipc": "shareable",
    },
    "ports": {"ports": ["127.0.0.1:{port}:8080", "9000/udp"], "expose": ["9001"]},
    "networks": {
        "networks": {
            "default": {"aliases": ["inner"]},
            "net": {"aliases": ["front"], "ipv4_address": "{ip}"},
            "other": {"aliases": ["back"], "ipv4_address": "{other_ip}", "ipv6_address": "{six}"},
        },
        "dns": ["192.0.2.53"],
        "dns_search": ["example.org"],
        "extra_hosts": ["db:192.0.2.1"],
    },
    "network-of-another": {"network_mode": "container:{friend}", "pid": "container:{friend}"},
    "volumes": {
        "volumes": [
            "data:/named",
            "/loose",
            "{folder}:/folder:ro",
            {"type": "volume", "target": "/nameless"},
            {"type": "volume", "source": "data", "target": "/again", "read_only": True},
            {"type": "tmpfs", "target": "/tm", "tmpfs": {"size": 1048576}},
        ],
        "tmpfs": ["/quick:size=1m"],
        "secrets": ["token"],
    },
    "volumes-of-another": {"volumes_from": ["container:{donor}:ro"]},
}  # fmt: skip

#: Those that go together in one service.
_TOGETHER = (
    "environment", "command", "user", "health", "stopping", "limits", "security", "networks",
    "volumes",
)  # fmt: skip

SERVICES["everything"] = {
    option: value
    for kind in _TOGETHER
    for option, value in SERVICES[kind].items()
} | {"networks": {"default": None, "other": {"aliases": ["all"]}}, "ports": ["9000"]}  # fmt: skip


def project(image: str) -> dict[str, Any]:
    """The compose file, as far as its words are not filled in yet."""
    return {
        "services": {
            name: {"image": image, "pull_policy": "never", **service}
            for name, service in SERVICES.items()
        },
        "networks": {
            "net": {"name": "{net}", "external": True},
            "other": {"name": "{other}", "external": True},
        },
        "volumes": {"data": {"name": "{named}", "external": True}},
        "secrets": {"token": {"file": "{secret}"}},
    }
