"""A container of the model engine: the merge of an image and a request, and a life in time.

The inspect JSON is that of an engine of API 1.41, in the fields that refitd's decisions and
the clone look at. What a container does once started is scripted per image (`Behaviour`) and
follows from the clock alone, so a look at it never changes it.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from refitd.core.container import CreateRequest

_NEVER = "0001-01-01T00:00:00Z"
_BIRTH = datetime(2026, 1, 1, tzinfo=UTC)
_BUILT_IN = ("bridge", "host", "none")


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a container of an image does once it is started.

    `healthy` and `unhealthy` have a HEALTHCHECK and are `starting` for `after_s`; `runs` has
    none. `exits` ends after `after_s` with `exit_code`; `loops` does so again and again,
    where its restart policy starts it anew.
    """

    does: Literal["runs", "healthy", "unhealthy", "exits", "loops"] = "runs"
    after_s: float = 0.0
    exit_code: int = 1

    @property
    def has_healthcheck(self) -> bool:
        return self.does in ("healthy", "unhealthy")

    @property
    def ends(self) -> bool:
        return self.does in ("exits", "loops")


@dataclass
class ModelImage:
    id: str
    config: dict[str, Any]
    behaviour: Behaviour
    created: str
    tags: set[str] = field(default_factory=set)

    @property
    def labels(self) -> dict[str, str]:
        return dict(self.config.get("Labels") or {})


class ModelContainer:
    """One container. Its present state is worked out from the clock at each look."""

    def __init__(self, id_: str, request: CreateRequest, image: ModelImage) -> None:
        self.id, self.name, self.image = id_, request.name, image
        body = copy.deepcopy(dict(request.body))
        self.networks: dict[str, dict[str, Any]] = {}
        self.host: dict[str, Any] = _host_defaults() | (body.pop("HostConfig", None) or {})
        self._join_first(body.pop("NetworkingConfig", None) or {})
        self.config = _merged(image.config, body, id_)
        self.mounts = _mounts(self.config, self.host, id_)
        self.life: Literal["created", "started", "paused", "stopped"] = "created"
        self.behaviour = image.behaviour
        self.started_s = 0.0
        self.started_at = self.finished_at = _NEVER
        self.by_hand = False
        self.exit_code = 0

    # -- doing -----------------------------------------------------------------------------

    def start(self, now_s: float, behaviour: Behaviour, nth: int) -> None:
        self.life, self.behaviour, self.started_s = "started", behaviour, now_s
        self.by_hand, self.exit_code = False, 0
        # two starts within one tick of a model clock are still two
        self.started_at = moment(now_s, nth)

    def stop(self, now_s: float, *, by_hand: bool, exit_code: int = 143) -> None:
        self.finished_at = moment(now_s)
        self.life, self.by_hand, self.exit_code = "stopped", by_hand, exit_code

    def settle(self, now_s: float) -> None:
        """An end that lies behind becomes a fact, unless its policy starts it again."""
        if self._has_ended(now_s) and not self._starts_again():
            self.stop(now_s, by_hand=False, exit_code=self.behaviour.exit_code)

    # -- looking ---------------------------------------------------------------------------

    @property
    def environment(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self.config.get("Env") or () if "=" in line)

    @property
    def policy(self) -> str:
        return (self.host.get("RestartPolicy") or {}).get("Name") or "no"

    @property
    def host_ports(self) -> set[tuple[str, str]]:
        return {
            (binding["HostPort"], port.rpartition("/")[2])
            for port, bindings in (self.host.get("PortBindings") or {}).items()
            for binding in bindings or ()
            if binding.get("HostPort") not in (None, "", "0")
        }

    def holds_ports(self, now_s: float) -> bool:
        return self.status(now_s) in ("running", "paused", "restarting")

    def status(self, now_s: float) -> str:
        self.settle(now_s)
        if self.life == "started":
            return "restarting" if self._has_ended(now_s) else "running"
        return {"created": "created", "paused": "paused", "stopped": "exited"}[self.life]

    def health(self, now_s: float) -> str | None:
        if not self.behaviour.has_healthcheck or self.life == "created":
            return None
        if self.life == "stopped":
            return "unhealthy"  # as engines call it once nobody checks any more
        due = now_s - self.started_s >= self.behaviour.after_s
        return self.behaviour.does if due and self.life in ("started", "paused") else "starting"

    def restarts(self, now_s: float) -> int:
        if not self._has_ended(now_s) or not self._starts_again():
            return 0
        return 1 + int((now_s - self.started_s - self.behaviour.after_s) // 1.0)

    def answers_to(self, network: str, name: str) -> bool:
        endpoint = self.networks.get(network)
        if endpoint is None or network in _BUILT_IN:
            return False
        return name in {self.name, *self._aliases(endpoint)}

    def inspect(self, now_s: float) -> dict[str, Any]:
        status = self.status(now_s)
        health = self.health(now_s)
        state: dict[str, Any] = {
            "Status": status,
            "Running": status in ("running", "paused", "restarting"),
            "Paused": status == "paused",
            "Restarting": status == "restarting",
            "ExitCode": self.exit_code,
            "StartedAt": self.started_at,
            "FinishedAt": self.finished_at,
        }
        if health:
            state["Health"] = {"Status": health, "FailingStreak": 0, "Log": []}
        return copy.deepcopy({
            "Id": self.id,
            "Name": f"/{self.name}",
            "Image": self.image.id,
            "RestartCount": self.restarts(now_s),
            "State": state,
            "Config": self.config,
            "HostConfig": self.host,
            "Mounts": self.mounts,
            "NetworkSettings": {
                "Networks": self._endpoints(runs=status == "running"),
                "Ports": self.host.get("PortBindings") if status == "running" else {},
            },
        })  # fmt: skip

    # -- within ----------------------------------------------------------------------------

    def _has_ended(self, now_s: float) -> bool:
        over = now_s - self.started_s >= self.behaviour.after_s
        return self.life == "started" and self.behaviour.ends and over

    def _starts_again(self) -> bool:
        if self.policy == "on-failure":
            return self.behaviour.exit_code != 0
        return self.policy in ("always", "unless-stopped")

    def _join_first(self, networking: Mapping[str, Any]) -> None:
        mode = self.host["NetworkMode"]
        endpoints = networking.get("EndpointsConfig") or {}
        if not mode.startswith("container:"):
            self.networks = dict(endpoints) or {"bridge" if mode == "default" else mode: {}}

    def _aliases(self, endpoint: Mapping[str, Any]) -> list[str]:
        own = self.config.get("Hostname")
        added = (self.id[:12], own) if own != self.id[:12] else (self.id[:12],)
        return [*(endpoint.get("Aliases") or ()), *added]

    def _endpoints(self, *, runs: bool) -> dict[str, Any]:
        return {
            name: {
                **endpoint,
                "Aliases": None if name in _BUILT_IN else self._aliases(endpoint),
                "IPAMConfig": endpoint.get("IPAMConfig"),
                "EndpointID": self.id if runs else "",
                "IPAddress": _address(self.id) if runs else "",
                "MacAddress": "02:42:" + ":".join(self.id[i : i + 2] for i in range(0, 8, 2))
                if runs
                else "",
            }
            for name, endpoint in self.networks.items()
        }


def moment(now_s: float, nth: int = 0) -> str:
    """The model's time as an engine writes it."""
    at = _BIRTH + timedelta(seconds=now_s, microseconds=nth)
    return at.isoformat().replace("+00:00", "Z")


def _address(id_: str) -> str:
    """On loopback, where a test may let something answer for the container."""
    return f"127.{int(id_[:2], 16)}.{int(id_[2:4], 16)}.{1 + int(id_[4:6], 16) % 254}"


def _host_defaults() -> dict[str, Any]:
    """What an engine of API 1.41 shows for a container that asks for nothing."""
    return {
        "NetworkMode": "default",
        "RestartPolicy": {"Name": "", "MaximumRetryCount": 0},
        "Binds": None,
        "PortBindings": None,
        "AutoRemove": False,
        "Privileged": False,
        "LogConfig": {"Type": "json-file", "Config": {}},
        "IpcMode": "private",
        "CgroupnsMode": "private",
        "ShmSize": 67108864,
        "Runtime": "runc",
        "MaskedPaths": ["/proc/kcore"],
        "ReadonlyPaths": ["/proc/sys"],
    }


def _merged(image: Mapping[str, Any], body: dict[str, Any], id_: str) -> dict[str, Any]:
    """moby's `merge()`: the image fills what the request leaves open."""
    config: dict[str, Any] = {"Hostname": id_[:12], "Env": [], "Labels": {}, "Cmd": None} | {
        "Entrypoint": None,
        "WorkingDir": "",
        "User": "",
    }
    config |= {key: value for key, value in body.items() if value is not None}
    for key in ("Labels", "Volumes", "ExposedPorts"):
        config[key] = {**(image.get(key) or {}), **(body.get(key) or {})} or None
    config["Labels"] = config["Labels"] or {}
    named = {line.partition("=")[0] for line in body.get("Env") or ()}
    inherited = [line for line in image.get("Env") or () if line.partition("=")[0] not in named]
    config["Env"] = [*(body.get("Env") or ()), *inherited]
    if not body.get("Entrypoint"):
        config["Cmd"] = body.get("Cmd") or image.get("Cmd")
        config["Entrypoint"] = image.get("Entrypoint")
    for key in ("WorkingDir", "User", "StopSignal", "Healthcheck", "StopTimeout"):
        if not config.get(key) and image.get(key):
            config[key] = image[key]
    return config


def _mounts(config: Mapping[str, Any], host: dict[str, Any], id_: str) -> list[dict[str, Any]]:
    mounts = {
        mount["Target"]: {
            "Type": mount["Type"],
            "Name": mount.get("Source") or _volume(id_, mount["Target"]),
            "Destination": mount["Target"],
            "RW": not mount.get("ReadOnly"),
        }
        for mount in host.get("Mounts") or ()
    }
    bound = {bind.split(":")[1] for bind in host.get("Binds") or () if ":" in bind}
    for path in config.get("Volumes") or {}:
        if path not in mounts and path not in bound:
            mounts[path] = {
                "Type": "volume",
                "Name": _volume(id_, path),
                "Destination": path,
                "RW": True,
            }
    return list(mounts.values())


def _volume(id_: str, path: str) -> str:
    return hashlib.sha256(f"{id_}:{path}".encode()).hexdigest()
