"""What users see of ten replacements and ten toggles, under steady load: `make load`.

In overlap, by four ways at once (`tests/load/ways.py`). In a swap, whose gap physics demands, beside
what else an operator would do to the same container under the same load in the same run: `docker
restart`, and `docker compose up --force-recreate`. The tables are printed.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import docker
import pytest
from docker.models.containers import Container

from rig import ports
from rig.base_image import debian_image
from tests.acceptance.panel import Daemon, Event, Panel, until
from tests.acceptance.traffic import Traffic
from tests.load.ways import IMAGE, PACKAGES, PROXIES, Request, ways
from tests.matrix.scenes import OVERLAP, on_a_network

TIMES = 10
#: Requests a second, straight to the name and by each proxy.
RATES = {"by name": 250.0} | dict.fromkeys(PROXIES, 40.0)
QUICK = {"look_quiet": "50ms", "quiet": "100ms"}


@pytest.fixture
def busy(panel: Panel, docker_client: docker.DockerClient) -> Panel:
    """A panel whose backend may run twice, on a network, with the proxies' image at hand."""
    debian_image(docker_client, IMAGE, PACKAGES)
    on_a_network(panel)
    panel.settings = {
        "timing": QUICK,
        "target": {"backend": {**OVERLAP, "watch": "1s", "keep_images": 3}},
    }
    panel.migrate_and_watch()
    return panel


@pytest.mark.timeout(1800)
def test_overlap(busy: Panel, docker_client: docker.DockerClient) -> None:
    """Ten rebuilds and ten toggles: no request fails through a proxy that tries a refused connect
    again; by name, at 250 a second, at most one a replacement in the median, and never above 3."""
    windows: list[tuple[str, float, float]] = []
    with (
        busy.daemon() as daemon,
        ways(docker_client, busy.name, f"{busy.name}-net", RATES) as callers,
    ):
        daemon.wait_for("target.adopted")
        for n in range(TIMES):
            _change(daemon, windows, partial(_install_or_not, busy, n))
            _change(daemon, windows, partial(busy.switch, "billing", on=n % 2 == 1))
        requests = {way.name: way.stop() for way in callers}
    print(f"\n{len(windows)} replacements in overlap\n")
    print("| way | requests | failed | failed a replacement: median, most | longest gap, ms |")
    print("|---|---|---|---|---|")
    failed = {}
    for name, made in requests.items():
        failed[name] = [_failed(made, began_s, ended_s) for _, began_s, ended_s in windows]
        all_failed = [each for each in made if each.failure]
        print(
            f"| {name} | {len(made)} | {len(all_failed)} | {statistics.median(failed[name]):g},"
            f" {max(failed[name])} | {_longest_gap_s(made) * 1000:.0f} |"
        )
        for each in all_failed[:10]:
            print(f"    {each.failure}", file=sys.stderr)
    assert len(windows) == 2 * TIMES
    for name in PROXIES:
        assert not [each for each in requests[name] if each.failure], name
    assert statistics.median(failed["by name"]) <= 1
    assert max(failed["by name"]) <= 3


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
        with Traffic(port, every_s=0.01) as traffic:
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


def _change(
    daemon: Daemon, windows: list[tuple[str, float, float]], write: Callable[[], None]
) -> None:
    write()
    opened = daemon.wait_for("deployment.opened")
    ended = daemon.wait_for("deployment.ended", result="succeeded")
    daemon.wait_for("container.retired")
    windows.append((str(ended["action"]), _moment_s(opened), _moment_s(ended) + 1.0))


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


def _failed(made: Sequence[Request], began_s: float, ended_s: float) -> int:
    return sum(bool(each.failure) and began_s <= each.began_s < ended_s for each in made)


def _longest_gap_s(made: Sequence[Request]) -> float:
    """Between two answers."""
    answered = sorted(each.ended_s for each in made if not each.failure)
    return max((later - earlier for earlier, later in pairwise(answered)), default=math.inf)


def _median_gap_s(rounds: Sequence[Traffic]) -> float:
    return statistics.median(each.longest_gap_s for each in rounds)


def _moment_s(event: Event) -> float:
    return datetime.fromisoformat(event["timestamp"]).timestamp()
