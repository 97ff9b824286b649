"""The engine in the hands of one who holds the lease.

A daemon may be frozen anywhere: between looking at its lease and acting on it, minutes can go by
in which another has taken over. So the look at the lease is here, right before each call that
changes something, and nowhere can it be forgotten: of a daemon that was deposed, no more than the
one call gets through that was on its way. Looking at the engine needs no lease.

What a look shows is evidence too. Where the database went back in a failover, or this daemon looks
at it through a stale one, its lease may seem good while the labels on the engine bear a later
epoch than its own: then another has acted on the target since, and it must not.

In a critical section too. It was entered under a lease extended over all of it; if that has run
out all the same, this daemon stood still for so long that another may well be at it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from refitd.core.building import BuildLine, BuildRequest
from refitd.core.container import (
    Container,
    CreateRequest,
    EngineInfo,
    Image,
    Json,
    Network,
)
from refitd.errors import EngineRefused
from refitd.ports import Engine
from refitd.shell.tenure import Tenure, latest_epoch


class HeldEngine:
    """The port `Engine`. Each call that changes something also raises `LeaseLost`."""

    def __init__(self, engine: Engine, tenure: Tenure) -> None:
        self._engine, self._tenure = engine, tenure

    # -- looks ---------------------------------------------------------------------------------

    def info(self) -> EngineInfo:
        return self._engine.info()

    def absences(self) -> int:
        return self._engine.absences()

    def containers(self, target: str, names: Collection[str] = ()) -> tuple[Container, ...]:
        return self._not_surpassed(self._engine.containers(target, names))

    def everyone(self) -> tuple[Container, ...]:
        return self._not_surpassed(self._engine.everyone())

    def container(self, id_or_name: str) -> Container | None:
        return self._engine.container(id_or_name)

    def logs(self, container_id: str, lines: int = 40) -> str:
        return self._engine.logs(container_id, lines)

    def changed_files(self, container_id: str) -> tuple[str, ...]:
        return self._engine.changed_files(container_id)

    def networks(self) -> tuple[Network, ...]:
        return self._engine.networks()

    def image(self, reference: str) -> Image | None:
        return self._engine.image(reference)

    def images(self, labels: Mapping[str, str]) -> tuple[Image, ...]:
        return self._engine.images(labels)

    def run_command(
        self, container_id: str, command: Sequence[str], timeout_s: float
    ) -> tuple[int, str]:
        """A probe, which changes nothing."""
        return self._engine.run_command(container_id, command, timeout_s)

    # -- acts ----------------------------------------------------------------------------------

    def create(self, request: CreateRequest) -> str:
        """What the engine makes of one request by several calls is several acts."""
        id_ = self._acting().create(replace(request, connect=()))
        try:
            for network, endpoint in request.connect:
                self.connect(id_, network, endpoint)
        except EngineRefused:
            self.remove(id_, anonymous_volumes=True)
            raise
        return id_

    def start(self, container_id: str) -> None:
        self._acting().start(container_id)

    def stop(self, container_id: str) -> None:
        self._acting().stop(container_id)

    def restart(self, container_id: str) -> None:
        self._acting().restart(container_id)

    def pause(self, container_id: str) -> None:
        self._acting().pause(container_id)

    def unpause(self, container_id: str) -> None:
        self._acting().unpause(container_id)

    def remove(self, container_id: str, *, anonymous_volumes: bool = False) -> None:
        self._acting().remove(container_id, anonymous_volumes=anonymous_volumes)

    def rename(self, container_id: str, name: str) -> None:
        self._acting().rename(container_id, name)

    def set_restart_policy(self, container_id: str, policy: str, retries: int = 0) -> None:
        self._acting().set_restart_policy(container_id, policy, retries)

    def connect(self, container_id: str, network: str, endpoint: Json) -> None:
        self._acting().connect(container_id, network, endpoint)

    def disconnect(self, container_id: str, network: str) -> None:
        self._acting().disconnect(container_id, network)

    def tag(self, image_id: str, reference: str) -> None:
        self._acting().tag(image_id, reference)

    def remove_image(self, reference: str) -> bool:
        return self._acting().remove_image(reference)

    def build(
        self,
        request: BuildRequest,
        on_line: Callable[[BuildLine], None],
        cancelled: Callable[[], bool],
    ) -> str:
        return self._acting().build(request, on_line, cancelled)

    def _not_surpassed(self, found: tuple[Container, ...]) -> tuple[Container, ...]:
        self._tenure.heed(latest_epoch(found, self._tenure.target))
        return found

    def _acting(self) -> Engine:
        self._tenure.reassure()
        return self._engine
