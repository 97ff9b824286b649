"""Records containers as engines of all versions show them, for the pure tests (`make inspects`).

Each is written with its baseline, what image and engine supply by themselves. Paths and process
ids of the machine are taken out, nothing else.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from refitd.core import recreate
from refitd.core.container import Container, CreateRequest, Json
from rig.other_engines import VERSIONS, Engines
from tests.adapters.docker.clones.ground import MAC, SETTINGS, Ground

FOLDER = Path(__file__).parents[3] / "core/inspects"

#: By name, each a create request without its image.
RECORDED: dict[str, dict[str, Any]] = {
    "plain": {},
    "fixed-mac": {"MacAddress": MAC},
    "everything": {
        "Env": ["LEVEL=9", "REPLACING_CONTAINER=old", "CONTAINER_NAME=panel-next"],
        "Cmd": ["tail", "-f", "/etc/passwd"],
        "User": "1000:1000",
        "Hostname": "panel-host",
        "StopSignal": "SIGINT",
        "StopTimeout": 3,
        "Labels": {
            "maker": "us",
            "com.docker.compose.project": "panel",
            "com.docker.compose.service": "backend",
            "com.docker.compose.image": "sha256:old",
            "com.docker.compose.replace": "x",
        },
        "Healthcheck": {"Test": ["CMD", "true"], "Interval": 90_000_000_000},
        "ExposedPorts": {"8080/tcp": {}, "9000/udp": {}},
        "Volumes": {"/scratch": {}},
        "HostConfig": {
            "NetworkMode": "front",
            "Binds": ["named:/named", "/loose"],
            "Mounts": [{"Type": "volume", "Target": "/nameless"}, {"Type": "tmpfs", "Target": "/tm"}],
            "PortBindings": {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": "18080"}]},
            "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 4},
            "Memory": 100_663_296,
            "PidsLimit": 90,
            "CapAdd": ["NET_ADMIN"],
            "SecurityOpt": ["no-new-privileges"],
            "MaskedPaths": [],
            "ExtraHosts": ["db:192.0.2.1"],
            "Devices": [
                {
                    "PathOnHost": "/dev/null",
                    "PathInContainer": "/dev/nothing",
                    "CgroupPermissions": "rw",
                }
            ],
            "Ulimits": [{"Name": "nofile", "Soft": 512, "Hard": 1024}],
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}},
        },
        "NetworkingConfig": {"EndpointsConfig": {"front": {"Aliases": ["panel", "api"]}}},
    },
}  # fmt: skip

_OF_THE_MACHINE = ("ResolvConfPath", "HostnamePath", "HostsPath", "LogPath", "GraphDriver")


def main() -> None:
    """All of them, of all engines, in place of those that are kept."""
    with Engines(SETTINGS) as engines, tempfile.TemporaryDirectory() as images:
        for version in VERSIONS:
            with closing(Ground(version, engines.of(version), Path(images))) as ground:
                for kind, both in shown(ground):
                    text = json.dumps(both, indent=1, sort_keys=True)
                    (FOLDER / f"{kind}-api-{version}.json").write_text(text + "\n")


def paths(shown: Any, at: str = "") -> set[str]:
    """Where something stands, whatever it is."""
    match shown:
        case dict() if shown:
            return {path for key in shown for path in paths(shown[key], f"{at}.{key}")}
        case list() if shown:
            return {path for item in shown for path in paths(item, f"{at}[]")}
        case _:
            return {at}


def shown(ground: Ground) -> Iterator[tuple[str, dict[str, Json]]]:
    """Name, container and baseline of each, as the engine shows them and taken away again."""
    for network in ("front", "back"):
        ground.client.networks.create(network)
    ground.client.volumes.create("named")
    ground.engine.tag(ground.images[0], "panel:1")
    for kind, body in RECORDED.items():
        old = _started(
            ground, CreateRequest("panel", {"Image": "panel:1", "HostConfig": {}} | body)
        )
        probe = ground.get(ground.engine.create(recreate.probe_request(old.inspect, "panel-probe")))
        yield (
            kind,
            {"container": _portable(ground, old), "baseline": _portable(ground, probe)},
        )
        for made in (old, probe):
            ground.engine.remove(made.id, anonymous_volumes=True)
    for network in ("front", "back"):
        ground.client.networks.get(network).remove()


def _started(ground: Ground, request: CreateRequest) -> Container:
    id_ = ground.engine.create(request)
    if "NetworkingConfig" in request.body:
        ground.engine.connect(id_, "back", {"Aliases": ["panel-back"]})
    ground.engine.start(id_)
    return ground.get(id_)


def _portable(ground: Ground, container: Container) -> Json:
    folder = str(ground.rig.folder.parent)
    text = json.dumps(container.inspect).replace(f"{folder}/data", "/var/lib/docker")
    inspect: dict[str, Any] = json.loads(text)
    for key in _OF_THE_MACHINE:
        inspect.pop(key, None)
    del inspect["State"]["Pid"]
    inspect["NetworkSettings"].pop("SandboxKey", None)
    return inspect


if __name__ == "__main__":
    main()
