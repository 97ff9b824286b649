"""A backend that compose started and refitd replaces: compose goes on knowing it as its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from refitd.core.container import Container
from refitd.core.proof import fell_over
from tests.acceptance.panel import Panel, merged, until

UP = ("up", "--detach", "--no-build", "--pull", "never")


@dataclass(frozen=True)
class Compose:
    """`docker compose` for one project with one service, `backend`, which is the panel's."""

    panel: Panel
    file: Path

    def __call__(self, *words: str, fails: bool = False) -> str:
        """Run a command; answers all that it said."""
        program = Path(sys.executable).with_name("docker-compose")
        argv = [str(program), "--progress", "plain", "--file", str(self.file), *words]
        done = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env={**os.environ, "DOCKER_HOST": self.panel.docker_host},
        )
        said = done.stdout + done.stderr
        assert (done.returncode != 0) == fails, said
        return said

    def leaves_alone(self) -> None:
        """`up` finds the backend running as it should, and has nothing else to say of it."""
        name = self.panel.container_name
        before = self.panel.container().attrs
        said = [line.split() for line in self(*UP).splitlines() if "Container" in line]
        assert said == [["Container", name, "Running"]]
        after = self.panel.container().attrs
        assert (after["Id"], after["State"]["StartedAt"]) == (
            before["Id"],
            before["State"]["StartedAt"],
        )

    def known(self) -> list[tuple[str, str, str]]:
        """What `ps` shows of the service's containers: name, service, state."""
        said = self("ps", "--all", "--format", "json")
        found = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
        return sorted((each["Name"], each["Service"], each["State"]) for each in found)


def composed(panel: Panel, **service: Any) -> Compose:
    """The panel's backend begun anew by compose, of an image that compose might have built."""
    panel.container().remove(force=True, v=True)
    panel.client.images.build(
        path=str(panel.repository.tree / "backend"),
        tag=panel.image,
        buildargs={"BASE": panel.base_image, "MODULES": "billing"},
        labels={
            "com.docker.compose.project": panel.name,
            "com.docker.compose.service": "backend",
            "com.docker.compose.version": "5.6.1",
        },
        rm=True,
    )
    backend = {
        "image": panel.image,
        "container_name": panel.container_name,
        "environment": {
            "DATABASE_URL": panel.inner_dsn,
            "CONTAINER_NAME": panel.container_name,
        },
        "volumes": ["data:/named", "/unnamed"],
        "stop_grace_period": "1s",
        "restart": "unless-stopped",
    }
    spec = {
        "name": panel.name,
        "services": {"backend": merged(backend, service)},
        "volumes": {"data": {}},
    }
    file = panel.folder / "compose.yaml"
    file.write_text(json.dumps(spec))  # which is YAML, too
    compose = Compose(panel, file)
    compose(*UP)
    return compose


def hurry(panel: Panel, watch: str, **target: Any) -> None:
    """What is waited for here is not the quiet after a change."""
    timing = {"look_quiet": "100ms", "quiet": "200ms"}
    panel.settings = {"timing": timing, "target": {"backend": {"watch": watch, **target}}}


@pytest.fixture
def swapped(panel: Panel) -> Iterator[Compose]:
    """With a published port."""
    hurry(panel, "4s")
    compose = composed(panel, ports=[f"127.0.0.1:{panel.port}:8080"])
    until(panel.healthy, "compose's backend is healthy")
    panel.migrate_and_watch()
    yield compose
    compose("down", "--volumes")


@pytest.fixture
def overlapped(panel: Panel) -> Iterator[Compose]:
    """Behind a proxy, as it were: on the project's network only."""
    hurry(panel, "4s", concurrent=True)
    compose = composed(panel)
    panel.migrate_and_watch()
    yield compose
    compose("down", "--volumes")


def test_compose_goes_on_with_a_swapped_backend(swapped: Compose) -> None:
    """Two rebuilds and a toggle, and `up` after each changes nothing about the backend; in the
    watch window it takes what was replaced away. `ps`, `restart`, `stop`, `start` and `down` are
    about the container that refitd made."""
    panel, name = swapped.panel, swapped.panel.container_name
    with panel.daemon() as daemon:
        panel.install("mail")
        ended = daemon.wait_for("deployment.ended", action="rebuild")
        assert (ended["result"], ended["strategy"]) == ("succeeded", "swap"), daemon.story()
        before = panel.container().id
        assert f"{name}-previous-1 Removed" in swapped(*UP)
        assert panel.container().id == before
        swapped.leaves_alone()
        panel.install("search")
        daemon.wait_for("deployment.ended", action="rebuild", result="succeeded")
        daemon.wait_for("container.retired", name=f"{name}-previous-2")
        swapped.leaves_alone()
        panel.switch("mail", on=False)
        daemon.wait_for("deployment.ended", action="restart", result="succeeded")
        swapped.leaves_alone()
        assert panel.built_in() == ["billing", "mail", "search"]
        assert panel.enabled() == ["billing", "search"]
    assert swapped.known() == [(name, "backend", "running")]
    assert panel.container().labels["com.docker.compose.container-number"] == "1"
    ours = panel.container().id
    swapped("restart")
    swapped("stop")
    assert swapped.known() == [(name, "backend", "exited")]
    stopped = panel.container().attrs
    assert stopped["State"]["Health"]["Status"] == "unhealthy"
    assert fell_over(Container.from_inspect(stopped)) is None
    swapped("start")
    until(panel.healthy, "it serves again")
    assert panel.container().id == ours
    swapped("down")
    assert panel.containers() == []


def test_compose_goes_on_with_an_overlapped_backend(overlapped: Compose) -> None:
    """A rebuild and a toggle, both by overlap: `up` changes nothing, its names are as before, and
    `start` in the watch window does not leave two that serve."""
    panel, name = overlapped.panel, overlapped.panel.container_name
    names = aliases(panel)
    with panel.daemon() as daemon:
        panel.install("mail")
        daemon.wait_for("deployment.ended", action="rebuild", strategy="overlap")
        new = panel.container().id
        overlapped("start")
        daemon.wait_for("container.stopped_again", name=f"{name}-previous-1")
        assert (panel.container().id, panel.container().status) == (new, "running")
        daemon.wait_for("container.retired")
        overlapped.leaves_alone()
        panel.switch("mail", on=False)
        daemon.wait_for("deployment.ended", action="restart", strategy="overlap")
        overlapped(*UP)
        overlapped.leaves_alone()
    assert panel.container().id != new
    assert overlapped.known() == [(name, "backend", "running")]
    assert {"backend"} <= names == aliases(panel)


def aliases(panel: Panel) -> set[str]:
    """Without the one that the engine adds."""
    container = panel.container()
    endpoint = container.attrs["NetworkSettings"]["Networks"][f"{panel.name}_default"]
    return set(endpoint["Aliases"]) - {container.short_id}
