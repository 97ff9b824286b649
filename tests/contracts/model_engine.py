"""`ModelEngine`: an engine in memory, for tests that are about decisions and not about Docker.

Real code, held to the same contract suite as the Docker adapter. It has what decides in a
replacement: ids and names with their conflicts, host ports that only one can hold, restart
policies and a reboot, aliases and who answers to them, images and tags, health in time.

A test scripts it:

* `behaves[image]`: what containers of an image (by tag or id) do once started; read at each
  start, so a test may change it in between;
* `fail(call, ...)`: the next such call fails, before or after having done its work;
* `script_builds(...)`: what the next builds do; without a script a build succeeds;
* `hands_over`: what has `REPLACING_CONTAINER` in its environment does, at its start, what backends
  with the old hand-over do: it stops and removes the one named. `handed_over` tells of whom;
* `advance(seconds)`, `reboot()`, `crash(name)`: time and fate.

`calls` lists every changing call, as `("start", "web")`, with names in place of ids.
"""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from refitd.core.building import BuildLine, BuildRequest
from refitd.core.container import (
    SHORT_ID,
    Container,
    CreateRequest,
    EngineInfo,
    Image,
    Json,
    Network,
)
from refitd.core.labels import TARGET
from refitd.errors import (
    Conflict,
    EngineUnavailable,
    NotFound,
)
from tests.contracts.model_container import Behaviour, ModelContainer, ModelImage, moment
from tests.contracts.model_scripts import Build, Faults, carry_out

_BUILT_IN = ("bridge", "host", "none")


class ModelEngine:
    """See the top of this file."""

    def __init__(
        self, now_s: Callable[[], float] | None = None, api_version: tuple[int, int] = (1, 41)
    ) -> None:
        self.time_s = 0.0
        self.api_version = api_version
        self.behaves: dict[str, Behaviour] = {}
        self._networks = {name: _network(name) for name in _BUILT_IN}
        self.calls: list[tuple[str, ...]] = []
        self.requests: list[BuildRequest] = []
        self.created: list[CreateRequest] = []
        self.files: dict[str, tuple[str, ...]] = {}
        self.hands_over = False
        self.handed_over: list[tuple[str, str]] = []
        self.command: Callable[[Container, Sequence[str]], tuple[int, str]] = lambda *_: (0, "")
        self._now = now_s or (lambda: self.time_s)
        self._containers: dict[str, ModelContainer] = {}
        self._images: dict[str, ModelImage] = {}
        self._builds: deque[Build] = deque()
        self._faults = Faults()
        self._count = self._absences = 0
        self._lock = threading.RLock()

    # -- scripting -------------------------------------------------------------------------

    def advance(self, seconds: float) -> None:
        self.time_s += seconds

    def add_network(self, *names: str) -> None:
        self._networks |= {name: _network(name) for name in names}

    def remove_network(self, name: str) -> None:
        """As `docker network rm`, once nothing runs on it."""
        del self._networks[name]

    def add_image(self, *tags: str, behaviour: Behaviour | None = None, **config: Any) -> str:
        """An image with this `Config` (`Env=[...]`, `Labels={...}`); answers its id."""
        does = behaviour or Behaviour()
        if does.has_healthcheck:
            config.setdefault("Healthcheck", {"Test": ["CMD", "check"]})
        with self._lock:
            id_ = "sha256:" + self._new_id("image")
            self._images[id_] = ModelImage(id_, config, does, f"2026-01-01T{self._count:09d}Z")
            for tag in tags:
                self.tag(id_, tag)
        return id_

    def run(self, name: str, image: str, **body: Any) -> Container:
        """As `docker run -d --name`; `body` is that of a create request."""
        id_ = self.create(CreateRequest(name, {"Image": image, **body}))
        self.start(id_)
        return self._seen(id_)

    def script_builds(self, *builds: Build) -> None:
        self._builds.extend(builds)

    def fail(
        self,
        call: str,
        when: Literal["before", "after"] = "before",
        error: Exception | None = None,
        skip: int = 0,
    ) -> None:
        """The next call of this name (after `skip` others) fails once."""
        wrong = error or EngineUnavailable(f"the model's {call} got no answer")
        self._faults.add(call, when, wrong, skip)

    def crash(self, name: str, exit_code: int = 137) -> None:
        """Its process dies by itself; what happens next is up to its restart policy."""
        container = self._get(name)
        container.start(self._now(), Behaviour("exits", 0.0, exit_code), self._count)
        container.settle(self._now())

    def reboot(self) -> None:
        """All stop; what has a policy for it comes up again (`always` whoever stopped it)."""
        self._absences += 1
        started: list[ModelContainer] = []
        with self._lock:
            for container in self._containers.values():
                if container.status(self._now()) in ("running", "paused", "restarting"):
                    container.stop(self._now(), by_hand=False)
                    comes_up = container.policy != "no"
                else:
                    comes_up = container.policy == "always" and container.life != "created"
                if comes_up:
                    self._start(container)
                    started.append(container)
            self._hand_over_unasked(started)

    def die(self) -> None:
        """Killed, and started again while its containers run: it stops those, as if by hand."""
        self._absences += 1
        started: list[ModelContainer] = []
        with self._lock:
            for container in self._containers.values():
                if container.status(self._now()) in ("running", "paused", "restarting"):
                    container.stop(self._now(), by_hand=True, exit_code=0)
                if container.policy == "always" and container.life != "created":
                    self._start(container)
                    started.append(container)
            self._hand_over_unasked(started)

    def answering(self, network: str, name: str) -> tuple[str, ...]:
        """Names of the running containers that the engine's DNS answers with."""
        return tuple(
            container.name
            for container in self._containers.values()
            if container.status(self._now()) == "running" and container.answers_to(network, name)
        )

    # -- looking ---------------------------------------------------------------------------

    def info(self) -> EngineInfo:
        with self._call("info"):
            return EngineInfo(
                "model-engine",
                "model",
                self.api_version,
                "/var/lib/model",
                product="Engine",
                time=moment(self._now()),
            )

    def absences(self) -> int:
        return self._absences

    def containers(self, target: str, names: Collection[str] = ()) -> tuple[Container, ...]:
        with self._call("containers"):
            return tuple(
                self._seen(each.id)
                for each in self._containers.values()
                if (each.config["Labels"] or {}).get(TARGET) == target or each.name in names
            )

    def everyone(self) -> tuple[Container, ...]:
        with self._call("everyone"):
            return tuple(self._seen(id_) for id_ in self._containers)

    def container(self, id_or_name: str) -> Container | None:
        with self._call("container"):
            found = self._find(id_or_name)
            return self._seen(found.id) if found else None

    def logs(self, container_id: str, lines: int = 40) -> str:
        with self._call("logs"):
            container = self._get(container_id)
            said = [f"{container.name} says line {n}" for n in range(1, 4)]
            return "\n".join(said[-lines:])

    def networks(self) -> tuple[Network, ...]:
        with self._call("networks"):
            return tuple(self._networks.values())

    def changed_files(self, container_id: str) -> tuple[str, ...]:
        with self._call("changed_files"):
            return self.files.get(self._get(container_id).name, ())

    # -- making and moving -----------------------------------------------------------------

    def create(self, request: CreateRequest) -> str:
        with self._call("create", request.name):
            if any(each.name == request.name for each in self._containers.values()):
                raise Conflict(f"the container name {request.name!r} is already in use")
            image = self._image(request.body["Image"])
            if image is None:
                raise NotFound(f"no such image: {request.body['Image']}")
            container = ModelContainer(self._new_id("container"), request, image)
            for network, endpoint in request.connect:
                container.networks[network] = dict(endpoint)
            for network in container.networks:
                self._check_network(network)
            self._containers[container.id] = container
            self.created.append(request)
            return container.id

    def start(self, container_id: str) -> None:
        with self._call("start", container_id):
            container = self._get(container_id)
            status = container.status(self._now())
            if status == "paused":
                raise Conflict("cannot start a paused container, try unpause instead")
            if status not in ("running", "restarting"):
                self._check_ports(container)
                self._check_owners(container)
                self._start(container)
                self._hand_over(container)

    def stop(self, container_id: str) -> None:
        with self._call("stop", container_id):
            container = self._get(container_id)
            if container.status(self._now()) in ("running", "paused", "restarting"):
                container.stop(self._now(), by_hand=True)

    def restart(self, container_id: str) -> None:
        with self._call("restart", container_id):
            container = self._get(container_id)
            self._start(container)
            self._hand_over(container)

    def pause(self, container_id: str) -> None:
        with self._call("pause", container_id):
            self._turn(container_id, "running", "paused")

    def unpause(self, container_id: str) -> None:
        with self._call("unpause", container_id):
            self._turn(container_id, "paused", "started")

    def remove(self, container_id: str, *, anonymous_volumes: bool = False) -> None:
        del anonymous_volumes
        with self._call("remove", container_id):
            found = self._find(container_id)
            if found:
                del self._containers[found.id]

    def rename(self, container_id: str, name: str) -> None:
        with self._call("rename", container_id, name):
            container = self._get(container_id)
            if any(each.name == name for each in self._containers.values()):
                raise Conflict(f"the container name {name!r} is already in use")
            container.name = name

    def set_restart_policy(self, container_id: str, policy: str, retries: int = 0) -> None:
        with self._call("set_restart_policy", container_id, policy):
            container = self._get(container_id)
            if container.host.get("AutoRemove") and policy != "no":
                raise Conflict("a restart policy cannot go with AutoRemove")
            container.host["RestartPolicy"] = {"Name": policy, "MaximumRetryCount": retries}

    # -- networks --------------------------------------------------------------------------

    def connect(self, container_id: str, network: str, endpoint: Json) -> None:
        with self._call("connect", container_id, network):
            container = self._get(container_id)
            self._check_network(network)
            if network in container.networks:
                raise Conflict(f"{container.name} already exists in network {network}")
            container.networks[network] = dict(endpoint)

    def disconnect(self, container_id: str, network: str) -> None:
        with self._call("disconnect", container_id, network):
            container = self._get(container_id)
            self._check_network(network)
            container.networks.pop(network, None)

    # -- inside ----------------------------------------------------------------------------

    def run_command(
        self, container_id: str, command: Sequence[str], timeout_s: float
    ) -> tuple[int, str]:
        del timeout_s
        with self._call("run_command", container_id):
            container = self._get(container_id)
            if container.status(self._now()) != "running":
                raise Conflict(f"container {container.name} is not running")
            return self.command(self._seen(container.id), command)

    # -- images ----------------------------------------------------------------------------

    def image(self, reference: str) -> Image | None:
        with self._call("image"):
            found = self._image(reference)
            return _shown(found) if found else None

    def images(self, labels: Mapping[str, str]) -> tuple[Image, ...]:
        with self._call("images"):
            found = [i for i in self._images.values() if labels.items() <= i.labels.items()]
            newest_first = sorted(found, key=lambda image: image.created, reverse=True)
            return tuple(map(_shown, newest_first))

    def tag(self, image_id: str, reference: str) -> None:
        with self._call("tag", image_id, reference):
            image = self._image(image_id)
            if image is None:
                raise NotFound(f"no such image: {image_id}")
            for other in self._images.values():
                other.tags.discard(_whole(reference))
            image.tags.add(_whole(reference))

    def remove_image(self, reference: str) -> bool:
        with self._call("remove_image", reference):
            image = self._image(reference)
            if image is None:
                return False
            by_tag = _whole(reference) in image.tags
            if by_tag and len(image.tags) > 1:
                image.tags.discard(_whole(reference))
                return True
            if any(each.image is image for each in self._containers.values()):
                return False
            if not by_tag and len(image.tags) > 1:
                return False
            del self._images[image.id]
            return True

    def build(
        self,
        request: BuildRequest,
        on_line: Callable[[BuildLine], None],
        cancelled: Callable[[], bool],
    ) -> str:
        """Not under the lock: other calls go on while it builds."""
        with self._call("build", request.tag):
            self.requests.append(request)
            script = self._builds.popleft() if self._builds else Build()
        carry_out(script, on_line, cancelled)
        labels = {**(script.config.get("Labels") or {}), **request.labels}
        config = {**script.config, "Labels": labels}
        return self.add_image(request.tag, behaviour=script.behaviour, **config)

    # -- within ----------------------------------------------------------------------------

    @contextmanager
    def _call(self, name: str, *args: str) -> Iterator[None]:
        """Log it, and let it fail where a test wants that."""
        with self._lock:
            if args:
                self.calls.append((name, *map(self._readable, args)))
            fault = self._faults.next(name)
            if fault and fault.when == "before":
                raise fault.error
            yield
            if fault:
                raise fault.error

    def _readable(self, argument: str) -> str:
        found = self._containers.get(argument)
        return found.name if found else argument

    def _new_id(self, kind: str) -> str:
        self._count += 1
        return hashlib.sha256(f"{kind} {self._count}".encode()).hexdigest()

    def _find(self, id_or_name: str) -> ModelContainer | None:
        for container in self._containers.values():
            by_id = len(id_or_name) >= SHORT_ID and container.id.startswith(id_or_name)
            if by_id or container.name == id_or_name:
                return container
        return None

    def _get(self, id_or_name: str) -> ModelContainer:
        found = self._find(id_or_name)
        if found is None:
            raise NotFound(f"no such container: {id_or_name}")
        return found

    def _seen(self, id_: str) -> Container:
        return Container.from_inspect(self._containers[id_].inspect(self._now()))

    def _image(self, reference: str) -> ModelImage | None:
        for image in self._images.values():
            if reference == image.id or _whole(reference) in image.tags:
                return image
        return None

    def _start(self, container: ModelContainer) -> None:
        self._count += 1
        image = container.image
        scripted = (self.behaves[key] for key in (image.id, *image.tags) if key in self.behaves)
        container.start(self._now(), next(scripted, image.behaviour), self._count)

    def _hand_over(self, container: ModelContainer) -> None:
        """What it does as it starts, where its environment names somebody."""
        named = container.environment.get("REPLACING_CONTAINER")
        found = self._find(named) if named and self.hands_over else None
        if found is None:
            return
        self.handed_over.append((container.name, found.name))
        found.stop(self._now(), by_hand=True)
        if found is not container:
            del self._containers[found.id]

    def _hand_over_unasked(self, started: Sequence[ModelContainer]) -> None:
        """As the engine starts; one that stops itself does so whoever works on that engine."""
        for each in started:
            if each.environment.get("REPLACING_CONTAINER") != each.name:
                self._hand_over(each)

    def _turn(self, id_: str, from_: str, to: Literal["paused", "started"]) -> None:
        container = self._get(id_)
        if container.status(self._now()) != from_:
            raise Conflict(f"container {container.name} is not {from_}")
        container.life = to

    def _check_network(self, network: str) -> None:
        if network not in self._networks:
            raise NotFound(f"network {network} not found")

    def _check_owners(self, container: ModelContainer) -> None:
        for mode in (container.host.get("NetworkMode"), container.host.get("PidMode")):
            kind, _, owner = str(mode).partition(":")
            if kind == "container" and self._get(owner).status(self._now()) != "running":
                raise Conflict("cannot join the namespace of a container that does not run")

    def _check_ports(self, container: ModelContainer) -> None:
        for other in self._containers.values():
            taken = container.host_ports & other.host_ports
            if other is not container and taken and other.holds_ports(self._now()):
                raise Conflict(f"port is already allocated: {min(taken)[0]}")


def _network(name: str) -> Network:
    driver = name if name == "host" else "null" if name == "none" else "bridge"
    return Network(hashlib.sha256(f"network {name}".encode()).hexdigest(), name, driver)


def _whole(reference: str) -> str:
    """A tag left out is `latest`."""
    return reference if ":" in reference.rpartition("/")[2] else f"{reference}:latest"


def _shown(image: ModelImage) -> Image:
    return Image(
        id=image.id,
        tags=tuple(sorted(image.tags)),
        labels=image.labels,
        created=image.created,
        has_healthcheck=image.behaviour.has_healthcheck,
    )


__all__ = ["Behaviour", "Build", "ModelEngine"]
