"""What users see of ten replacements and ten toggles, under steady load: `make load`.

In overlap, by four ways at once (`tests/load/ways.py`). In a swap, whose gap physics demands, beside
what else an operator would do to the same container under the same load in the same run: `docker
restart`, and `docker compose up --force-recreate`. The tables are printed.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Self

import docker
import pytest
from docker.models.containers import Container

from rig import ports
from rig.base_image import debian_image
from tests.acceptance.panel import Daemon, Event, Panel, until
from tests.acceptance.traffic import Traffic
from tests.load.ways import (
    IMAGE,
    PACKAGES,
    PROXIES,
    Caller,
    Request,
    ways,
)
from tests.matrix.scenes import OVERLAP, on_a_network

TIMES = 10
#: A module that nobody asks anything of.
TOGGLED = "audit"
#: Longer than it takes to find that an address is dead: the engine gives it to the next container.
WATCH = "4s"
QUICK = {"look_quiet": "50ms", "quiet": "100ms"}


@pytest.fixture
def busy(panel: Panel, docker_client: docker.DockerClient) -> Panel:
    """A panel whose backend may run twice, on a network, with the proxies' image at hand."""
    debian_image(docker_client, IMAGE, PACKAGES)
    panel.container().remove(force=True)
    panel.install(TOGGLED)
    panel.build_first_image(f"{TOGGLED},billing")
    panel.start_backend()
    on_a_network(panel)
    panel.settings = {
        "timing": QUICK,
        "target": {"backend": {**OVERLAP, "drain": "2s", "watch": WATCH, "keep_images": 3}},
    }
    panel.migrate_and_watch()
    return panel


@pytest.mark.timeout(1800)
def test_overlap(busy: Panel, docker_client: docker.DockerClient) -> None:
    """Ten rebuilds and ten toggles: no request fails through a proxy that tries a refused connect
    again; by name, at 250 a second, at most one a replacement in the median, and never above 3."""
    callers = {"by name": Caller(250.0), **dict.fromkeys(PROXIES, Caller(25.0))}
    failed = _failed_in_overlap(busy, docker_client, callers)
    for name in PROXIES:
        assert not any(failed[name]), name
    by_name = [len(each) for each in failed["by name"]]
    assert statistics.median(by_name) <= 1
    assert max(by_name) <= 3


@pytest.mark.timeout(1800)
def test_other_callers(busy: Panel, docker_client: docker.DockerClient) -> None:
    """The engine gives out an address for some 30 ms after nobody answers there. Who would wait
    5 s for it gets its answer late; who gives up after 300 ms, its second address untried, loses
    that request. That is all: none is refused, cut off, or answered wrongly."""
    callers = {
        "by name, 5 s an address": Caller(50.0, connect_s=5.0, in_all_s=30.0),
        "by name, 300 ms in all": Caller(250.0, in_all_s=0.3),
    }
    failed = _failed_in_overlap(busy, docker_client, callers)
    assert not any(failed["by name, 5 s an address"])
    hasty = {each for those in failed["by name, 300 ms in all"] for each in those}
    assert hasty <= {"TimeoutError: timed out"}


def _failed_in_overlap(
    busy: Panel, client: docker.DockerClient, callers: dict[str, Caller]
) -> dict[str, list[list[str]]]:
    """For each caller and replacement, what went wrong; prints the table."""
    windows: list[tuple[float, float]] = []
    with (
        busy.daemon() as daemon,
        ways(client, busy.name, f"{busy.name}-net", callers) as calling,
    ):
        daemon.wait_for("target.adopted")
        for n in range(TIMES):
            windows.append(_change(daemon, partial(_install_or_not, busy, n)))
            windows.append(_change(daemon, partial(busy.switch, TOGGLED, on=n % 2 == 1)))
        requests = {way.name: way.stop() for way in calling}
    print(f"\n{len(windows)} replacements in overlap\n")
    print("| way | requests | failed | failed a replacement: median, most | longer than 1 s |")
    print("|---|---|---|---|---|")
    failed = {}
    for name, made in requests.items():
        failed[name] = [_failed(made, *window) for window in windows]
        numbers = [len(each) for each in failed[name]]
        print(
            f"| {name} | {len(made)} | {sum(bool(each.failure) for each in made)}"
            f" | {statistics.median(numbers):g}, {max(numbers)}"
            f" | {sum(each.took_s > 1.0 for each in made)} |"
        )
        for failure, times in Counter(each.failure for each in made if each.failure).most_common():
            print(f"    {times} x {failure}")
    assert len(windows) == 2 * TIMES
    return failed


@pytest.mark.timeout(1800)
def test_swap(panel: Panel, tmp_path: Path) -> None:
    """The longest gap of a swap is at most a quarter longer than that of `docker restart` of the
    same container."""
    panel.settings = {"timing": QUICK, "target": {"backend": {"watch": "1s", "keep_images": 3}}}
    panel.migrate_and_watch()
    twin = _Twin(panel)
    composed = _Composed(panel, tmp_path)
    gaps: dict[str, list[Traffic]] = {}

    def note(name: str, port: int, act: Callable[[], object]) -> None:
        with Traffic(port, every_s=0.01, timeout_s=0.1) as traffic:
            act()
            answered = traffic.answered
            until(lambda: traffic.answered > answered + 20, "it answers again")
        gaps.setdefault(name, []).append(traffic)

    with panel.daemon() as daemon, composed:
        daemon.wait_for("target.adopted")
        for n in range(TIMES):
            note("refitd, rebuild by swap", panel.port, partial(_rebuilt, panel, daemon, n))
            note("docker restart", twin.port, twin.restart)
            note("refitd, restart", panel.port, partial(_toggled, panel, daemon, on=n % 2 == 1))
            note("compose up --force-recreate", composed.port, composed.recreate)
    print("\n| | requests | failed, median | longest gap, ms: median, most |\n|---|---|---|---|")
    for name, rounds in gaps.items():
        longest = [each.longest_gap_s * 1000 for each in rounds]
        print(
            f"| {name} | {sum(each.answered + each.failed for each in rounds)}"
            f" | {statistics.median(each.failed for each in rounds):g}"
            f" | {statistics.median(longest):.0f}, {max(longest):.0f} |"
        )
    assert _median_gap_s(gaps["refitd, rebuild by swap"]) <= 1.25 * _median_gap_s(
        gaps["docker restart"]
    )


def _change(daemon: Daemon, write: Callable[[], None]) -> tuple[float, float]:
    """From when to when it lasted, up to where the old one is gone for good."""
    write()
    opened = daemon.wait_for("deployment.opened")
    daemon.wait_for("deployment.ended", result="succeeded")
    retired = daemon.wait_for("container.retired")
    return _moment_s(opened), _moment_s(retired)


def _install_or_not(panel: Panel, n: int) -> None:
    if n % 2 == 0:
        panel.install("search")
    else:
        panel.uninstall("search")


def _rebuilt(panel: Panel, daemon: Daemon, n: int) -> None:
    _install_or_not(panel, n)
    daemon.wait_for("deployment.ended", result="succeeded", action="rebuild")
    daemon.wait_for("container.retired")


def _toggled(panel: Panel, daemon: Daemon, *, on: bool) -> None:
    panel.switch("billing", on=on)
    daemon.wait_for("deployment.ended", result="succeeded", action="restart")


class _Twin:
    """The same container once more, for an operator to restart by hand."""

    def __init__(self, panel: Panel) -> None:
        self.port = ports.free_port()
        options: dict[str, Any] = {
            "name": f"{panel.name}-twin",
            "detach": True,
            "environment": {"DATABASE_URL": panel.inner_dsn},
            "ports": {"8080/tcp": ("127.0.0.1", self.port)},
            "restart_policy": {"Name": "unless-stopped"},
        }
        self._container: Container = panel.client.containers.run(panel.image, **options)
        _until_healthy(self._container)

    def restart(self) -> None:
        """As `docker restart` does it."""
        self._container.restart()
        _until_healthy(self._container)


class _Composed:
    """The same as a service of compose; a context manager."""

    def __init__(self, panel: Panel, folder: Path) -> None:
        self.port = ports.free_port()
        self._client, self._project = panel.client, f"{panel.name}-composed"
        self._file = folder / "compose.json"
        service = {
            "image": panel.image,
            "environment": {"DATABASE_URL": panel.inner_dsn},
            "ports": [f"127.0.0.1:{self.port}:8080"],
            "restart": "unless-stopped",
        }
        self._file.write_text(json.dumps({"services": {"api": service}}))
        self._environment = {**os.environ, "DOCKER_HOST": panel.docker_host}

    def __enter__(self) -> Self:
        self._compose("up", "--detach")
        self._wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._compose("down")

    def recreate(self) -> None:
        """As an operator does it who has built a new image."""
        self._compose("up", "--detach", "--force-recreate")
        self._wait()

    def _wait(self) -> None:
        label = f"com.docker.compose.project={self._project}"
        for each in self._client.containers.list(filters={"label": label}):
            _until_healthy(each)

    def _compose(self, *words: str) -> None:
        compose = Path(sys.executable).with_name("docker-compose")
        subprocess.run(
            [compose, "--project-name", self._project, "--file", self._file, *words],
            env=self._environment,
            check=True,
            capture_output=True,
        )


def _until_healthy(container: Container) -> None:
    def healthy() -> bool:
        container.reload()
        return bool(container.attrs["State"]["Health"]["Status"] == "healthy")

    until(healthy, f"{container.name} is healthy")


def _failed(made: Sequence[Request], began_s: float, ended_s: float) -> list[str]:
    return [each.failure for each in made if each.failure and began_s <= each.began_s < ended_s]


def _median_gap_s(rounds: Sequence[Traffic]) -> float:
    return statistics.median(each.longest_gap_s for each in rounds)


def _moment_s(event: Event) -> float:
    return datetime.fromisoformat(event["timestamp"]).timestamp()
