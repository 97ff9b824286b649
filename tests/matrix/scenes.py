"""What is going on when somebody dies: each strategy, and each way back.

A scene begins with a panel built by hand, sets refitd up for it, and writes a row. It is over when
the target is as the table says (or, where that cannot be, as it was), alone, with nothing left.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from docker.errors import NotFound

from tests.acceptance.panel import Panel, merged

#: Quick, so that many scenes can be played; each still waits for what it must.
SETTINGS: dict[str, Any] = {
    "timing": {
        "look_quiet": "50ms",
        "quiet": "100ms",
        "poll": "2s",
        "suspect_poll": "500ms",
        "retry_first": "1s",
        "retry_longest": "2s",
    },
    "target": {"backend": {"health": {"deadline": "15s", "interval": "50ms"}, "watch": "1s"}},
}

_FALLS_OVER = """\
import os, threading


def start(routes):
    threading.Timer(3.0, os._exit, [3]).start()
"""


def _nothing(_: Panel) -> None:
    pass


@dataclass(frozen=True)
class Scene:
    """`prepare` is before refitd, `act` the row that is written once it watches."""

    name: str
    act: Callable[[Panel], None]
    settings: dict[str, Any]
    prepare: Callable[[Panel], None] = _nothing
    #: Whether it leads back to what was before.
    back: bool = False
    module: str = ""
    #: Takes the row back, where any start of the old one reads it, whoever starts it.
    take_back: Callable[[Panel], None] | None = None

    def set_up(self, panel: Panel) -> None:
        """Up to where the daemon may be started."""
        panel.settings = merged(SETTINGS, {"target": {"backend": self.settings}})
        self.prepare(panel)
        panel.sql("select refitd.watch('public.modules')")

    def says_failed(self, panel: Panel) -> bool:
        """The rows say that the table could not be served."""
        rows = panel.sql("select condition from refitd.status")
        return [row["condition"] for row in rows] == ["failed"]

    def unlike(self, panel: Panel, before: str) -> str:
        """What is not yet as it should be in the end; nothing where all is. `before` is the id of
        the container that stood there at first."""
        try:
            return self._unlike(panel, before)
        except (OSError, NotFound) as moving:  # under the very hands of who looks
            return f"it moves: {moving!r}"

    def _unlike(self, panel: Panel, before: str) -> str:
        names = [each.name for each in panel.containers()]
        if names != [panel.container_name]:
            return f"containers {names}"
        if not panel.healthy():
            return "the backend is not healthy"
        should = panel.wanted()
        if self.back:
            should = [id_ for id_ in should if id_ != self.module]
            if panel.container().id != before:
                return "the old container was not put back"
        if panel.built_in() != should:
            return f"built in {panel.built_in()}, and should be {should}"
        return self._unlike_in_the_books(panel) or _images_left(panel)

    def _unlike_in_the_books(self, panel: Panel) -> str:
        rows = panel.sql("select condition, error, detail from refitd.status")
        should = "failed" if self.back else "in_step"
        if [row["condition"] for row in rows] != [should]:
            return f"status {rows}"
        unfinished = [row["id"] for row in panel.deployments() if row["finished_at"] is None]
        if unfinished:
            return f"deployments without an end {unfinished}"
        if not self.back and panel.enabled() != _switched_on(panel):
            return f"enabled {panel.enabled()}"
        policy = panel.container().attrs["HostConfig"]["RestartPolicy"]["Name"]
        return "" if policy == "unless-stopped" else f"restart policy {policy}"


def _switched_on(panel: Panel) -> list[str]:
    rows = panel.sql("select id from modules where has_backend and enabled order by id")
    return [row["id"] for row in rows]


def _images_left(panel: Panel) -> str:
    """One previous image is kept, no more."""
    repository = panel.image.partition(":")[0]
    images = panel.client.images.list(name=repository)
    return "" if len(images) <= 2 else f"images {[image.tags for image in images]}"


def on_a_network(panel: Panel) -> None:
    """Without a published port, so that two may run side by side."""
    network = panel.client.networks.create(f"{panel.name}-net")
    panel.container().remove(force=True)
    container = panel.start_backend(ports={}, network=network.name)
    network.disconnect(container)
    network.connect(container, aliases=["api"])


def _install(module: str) -> Callable[[Panel], None]:
    return lambda panel: panel.install(module)


def _toggle(panel: Panel) -> None:
    panel.switch("billing", on=False)


def _with_a_module_that_falls_over(panel: Panel) -> None:
    panel.repository.commit({"backend/modules/falls_over.py": _FALLS_OVER})


def _with_a_module_that_cannot_start(panel: Panel) -> None:
    panel.container().remove(force=True)
    panel.install("fails-to-start", enabled=False)
    panel.build_first_image("billing,fails-to-start")
    panel.start_backend()


def _switch_it_on(panel: Panel) -> None:
    panel.switch("fails-to-start", on=True)


def _switch_it_off(panel: Panel) -> None:
    panel.switch("fails-to-start", on=False)


OVERLAP = {"concurrent": True}

SCENES = (
    Scene("swap", _install("mail"), {}),
    Scene("overlap", _install("mail"), OVERLAP, on_a_network),
    Scene("restart", _toggle, {}),
    Scene("restart in overlap", _toggle, OVERLAP, on_a_network),
    Scene(
        "back from the canary",
        _install("fails-to-start"),
        {},
        back=True,
        module="fails-to-start",
    ),
    Scene(
        "back from the successor",
        _install("fails-to-start"),
        {"canary": False},
        back=True,
        module="fails-to-start",
    ),
    Scene(
        "back from overlap",
        _install("fails-to-start"),
        OVERLAP,
        on_a_network,
        back=True,
        module="fails-to-start",
    ),
    Scene(
        "back from the restart",
        _switch_it_on,
        {},
        _with_a_module_that_cannot_start,
        back=True,
        take_back=_switch_it_off,
    ),
    Scene(
        "back in the watch window",
        _install("falls-over"),
        {"watch": "20s"},
        _with_a_module_that_falls_over,
        back=True,
        module="falls-over",
    ),
)
