"""`ports.Engine` through docker-py's low-level client.

The low-level one because it takes and answers the engine's own JSON: the builders on top
know a list of fields, and what is missing there would be lost from every container that is
made anew. Each call has a time-out; one that stops a container waits longer than the
container's own stop takes, since the engine goes on with that whoever listens.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from docker.utils import parse_repository_tag

from refitd.adapters import docker_raw
from refitd.adapters.docker_build import run_build
from refitd.adapters.docker_connection import DockerConnection, version_pair
from refitd.adapters.docker_frames import output_of
from refitd.adapters.docker_line import DockerLine
from refitd.core.building import BuildLine, BuildRequest
from refitd.core.container import Container, CreateRequest, EngineInfo, Image, Json, Network
from refitd.core.labels import TARGET
from refitd.core.recreate import stop_timeout
from refitd.errors import Conflict, EngineRefused, EngineUnavailable, NotFound

#: On top of what the engine itself has to wait for.
CALL_TIMEOUT_S = 60.0
#: Exit code of a command that did not end in time, as `timeout(1)` has it.
TIMED_OUT = 124


class DockerEngine:
    """One Docker engine. `host` as in DOCKER_HOST, or None for what the environment says."""

    def __init__(self, host: str | None = None, call_timeout_s: float = CALL_TIMEOUT_S) -> None:
        self._connection = DockerConnection(host, call_timeout_s)
        self._client = self._connection.client
        self._line = DockerLine(self._connection.another)

    def close(self) -> None:
        self._line.close()
        self._connection.forget()

    # -- looking ---------------------------------------------------------------------------

    def info(self) -> EngineInfo:
        version = self._connection.refresh()
        with self._client() as client:
            info = client.info()
            return EngineInfo(
                id=info["ID"],
                version=version["Version"],
                api_version=version_pair(client.api_version),
                root_dir=info.get("DockerRootDir") or "",
                product=_product(version),
                time=info.get("SystemTime") or "",
            )

    def absences(self) -> int:
        return self._line.breaks()

    def containers(self, target: str, names: Collection[str] = ()) -> tuple[Container, ...]:
        def wanted(summary: Json) -> bool:
            called = {name.removeprefix("/") for name in summary.get("Names") or ()}
            ours = (summary.get("Labels") or {}).get(TARGET) == target
            return ours or not called.isdisjoint(names)

        return self._listed(wanted)

    def everyone(self) -> tuple[Container, ...]:
        return self._listed(lambda _summary: True)

    def container(self, id_or_name: str) -> Container | None:
        try:
            with self._client() as client:
                raw = client.inspect_container(id_or_name)
        except NotFound:
            return None
        # The engine also answers to a part of an id: a name such as `cafe` may be one.
        found = Container.from_inspect(raw)
        meant = found.name == id_or_name or found.is_meant_by_id(id_or_name)
        return found if meant else None

    def logs(self, container_id: str, lines: int = 40) -> str:
        with self._client() as client:
            raw: bytes = client.logs(container_id, stdout=True, stderr=True, tail=lines)
        return raw.decode(errors="replace")

    def networks(self) -> tuple[Network, ...]:
        with self._client() as client:
            return tuple(
                Network(each["Id"], each["Name"], each.get("Driver") or "")
                for each in client.networks()
            )

    def changed_files(self, container_id: str) -> tuple[str, ...]:
        with self._client() as client:
            return tuple(change["Path"] for change in client.diff(container_id) or ())

    def _listed(self, wanted: Callable[[Json], bool]) -> tuple[Container, ...]:
        with self._client() as client:
            ids = [summary["Id"] for summary in client.containers(all=True) if wanted(summary)]
        seen = (self.container(id_) for id_ in ids)
        return tuple(container for container in seen if container is not None)

    # -- making and moving -----------------------------------------------------------------

    def create(self, request: CreateRequest) -> str:
        with self._client() as client:
            # The engine itself finds out only at the start that a network is not there.
            for network in docker_raw.networks_of(request):
                client.inspect_network(network)
            id_ = docker_raw.create(client, request)
        try:
            for network, endpoint in request.connect:
                self.connect(id_, network, endpoint)
        except EngineRefused:
            self.remove(id_, anonymous_volumes=True)
            raise
        return id_

    def start(self, container_id: str) -> None:
        with self._client() as client:
            client.start(container_id)

    def stop(self, container_id: str) -> None:
        with self._client() as client:
            timeout = stop_timeout(client.inspect_container(container_id))
            client.stop(container_id, timeout=timeout)

    def restart(self, container_id: str) -> None:
        with self._client() as client:
            timeout = stop_timeout(client.inspect_container(container_id))
            client.restart(container_id, timeout=timeout)

    def pause(self, container_id: str) -> None:
        with self._client() as client:
            client.pause(container_id)

    def unpause(self, container_id: str) -> None:
        with self._client() as client:
            client.unpause(container_id)

    def remove(self, container_id: str, *, anonymous_volumes: bool = False) -> None:
        try:
            with self._client() as client:
                client.remove_container(container_id, v=anonymous_volumes, force=True)
        except NotFound:
            pass
        except Conflict as error:
            if "already in progress" not in str(error):
                raise

    def rename(self, container_id: str, name: str) -> None:
        with self._client() as client:
            client.rename(container_id, name)

    def set_restart_policy(self, container_id: str, policy: str, retries: int = 0) -> None:
        with self._client() as client:
            docker_raw.set_restart_policy(client, container_id, policy, retries)

    # -- networks --------------------------------------------------------------------------

    def connect(self, container_id: str, network: str, endpoint: Json) -> None:
        body = {"Container": container_id, "EndpointConfig": dict(endpoint)}
        with self._client() as client:
            client.inspect_network(network)  # as above: not looked at while it does not run
            docker_raw.post(client, f"/networks/{network}/connect", body)

    def disconnect(self, container_id: str, network: str) -> None:
        body = {"Container": container_id, "Force": False}
        try:
            with self._client() as client:
                docker_raw.post(client, f"/networks/{network}/disconnect", body)
        except EngineRefused as error:
            if "is not connected" not in str(error):
                raise

    # -- inside ----------------------------------------------------------------------------

    def run_command(
        self, container_id: str, command: Sequence[str], timeout_s: float
    ) -> tuple[int, str]:
        with self._client() as client:
            id_ = client.exec_create(container_id, list(command))["Id"]
            output, ended = output_of(client, id_, time.monotonic() + timeout_s)
            if not ended:
                return TIMED_OUT, f"{output}\nit did not end within {timeout_s:g} s".lstrip()
            return int(client.exec_inspect(id_)["ExitCode"]), output

    # -- images ----------------------------------------------------------------------------

    def image(self, reference: str) -> Image | None:
        try:
            with self._client() as client:
                return _image(docker_raw.inspect_image(client, reference))
        except NotFound:
            return None

    def images(self, labels: Mapping[str, str]) -> tuple[Image, ...]:
        wanted = [f"{key}={value}" for key, value in labels.items()]
        with self._client() as client:
            ids = [summary["Id"] for summary in client.images(filters={"label": wanted})]
        seen = (self.image(id_) for id_ in dict.fromkeys(ids))
        found = (image for image in seen if image is not None)
        return tuple(sorted(found, key=lambda image: image.created, reverse=True))

    def tag(self, image_id: str, reference: str) -> None:
        repository, tag = parse_repository_tag(reference)
        with self._client() as client:
            client.tag(image_id, repository, tag)

    def remove_image(self, reference: str) -> bool:
        try:
            with self._client() as client:
                client.remove_image(reference)
        except (NotFound, Conflict):
            return False
        return True

    def build(
        self,
        request: BuildRequest,
        on_line: Callable[[BuildLine], None],
        cancelled: Callable[[], bool],
    ) -> str:
        try:
            return run_build(self._connection.another(), request, on_line, cancelled)
        except EngineUnavailable:
            self._connection.forget()
            raise


def _product(version: Json) -> str:
    """`Engine` is Docker's; others that speak its API name themselves, as `Podman Engine` does."""
    parts: Iterable[Json] = version.get("Components") or ()
    return next((str(part.get("Name")) for part in parts), "")


def _image(raw: Json) -> Image:
    config = raw.get("Config") or {}
    test: Iterable[Any] = (config.get("Healthcheck") or {}).get("Test") or ()
    return Image(
        id=raw["Id"],
        tags=tuple(raw.get("RepoTags") or ()),
        labels=config.get("Labels") or {},
        created=raw.get("Created") or "",
        has_healthcheck=bool(test) and list(test) != ["NONE"],
    )
