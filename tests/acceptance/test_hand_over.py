"""A backend that was born of the old hand-over: it stopped and removed its forerunner itself.

With refitd it must not do so again: not as it is rebuilt, and not as it is toggled, where a mere
restart would find `REPLACING_CONTAINER`, by now its own name, in its environment again.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker.models.containers import Container

from rig.engine import Engine
from rig.engine_proxy import EngineProxy
from tests.acceptance.panel import Panel, until
from tests.acceptance.traffic import Traffic


@pytest.fixture
def socket(engine: Engine) -> Iterator[EngineProxy]:
    """The engine's socket as the backend has it."""
    # Not in tmp_path, which may be too long for a socket's address.
    with (
        tempfile.TemporaryDirectory() as folder,
        EngineProxy(Path(folder) / "docker.sock", engine.socket) as proxy,
    ):
        Path(folder).chmod(0o755)
        yield proxy


@pytest.fixture
def born(panel: Panel, socket: EngineProxy) -> Panel:
    """The panel after a rebuild of the old kind, with refitd installed since."""
    panel.container().remove(force=True)
    forerunner = panel.start_backend(ports={})
    newborn = panel.start_backend(
        name=f"{panel.container_name}-new",
        environment={
            "HANDOVER": "1",
            "REPLACING_CONTAINER": panel.container_name,
            "DOCKER_SOCKET": "/srv/docker.sock",
        },
        volumes=[f"{socket.path}:/srv/docker.sock"],
    )
    until(lambda: len(socket.calls) == 2, "it stopped and removed its forerunner")
    until(lambda: forerunner.id not in {each.id for each in panel.containers()}, "which is gone")
    newborn.rename(panel.container_name)
    assert environment(panel)["REPLACING_CONTAINER"] == panel.container_name
    socket.calls.clear()
    panel.migrate_and_watch()
    adopted = panel.refitd("once")
    assert adopted.returncode == 0, adopted.stderr
    return panel


def environment(panel: Panel) -> dict[str, str]:
    """Of the backend's container."""
    return dict(line.split("=", 1) for line in panel.container().attrs["Config"]["Env"])


def test_a_rebuild_drops_it_and_only_refitd_stops_anything(
    born: Panel, socket: EngineProxy
) -> None:
    """`refitd once` rebuilds it: the variable is gone, the rest is there, the engine was not asked."""
    before = born.container()
    born.install("search")
    done = born.refitd("once")
    assert done.returncode == 0, done.stderr
    assert born.built_in() == born.wanted() == ["billing", "search"]
    assert born.container().id != before.id
    found = environment(born)
    assert "REPLACING_CONTAINER" not in found
    assert (found["HANDOVER"], found["CONTAINER_NAME"]) == ("1", born.container_name)
    before.reload()
    assert before.status == "exited"  # kept for the way back, not removed by anybody
    assert socket.calls == []


def test_a_toggle_is_no_restart_that_would_stop_itself(born: Panel, socket: EngineProxy) -> None:
    """A toggle under `refitd run` is a swap by the same image, without the variable, and serves."""
    before = born.container()
    with born.daemon() as daemon, Traffic(born.port) as traffic:
        born.switch("billing", on=False)
        ended = daemon.wait_for("deployment.ended")
        facts = (ended["action"], ended["strategy"], ended["result"])
        assert facts == ("restart", "swap", "succeeded"), daemon.story()
        assert born.enabled() == []
    after = born.container()
    assert after.id != before.id
    assert after.attrs["Image"] == before.attrs["Image"]
    assert "REPLACING_CONTAINER" not in environment(born)
    assert traffic.answered
    assert socket.calls == []


def _took_over(container: Container) -> list[str]:
    """What it says of each hand-over: whom it named, and what the engine answered."""
    said = container.logs().decode().splitlines()
    return [line.partition(": ")[2] for line in said if line.startswith("took over from ")]


@pytest.mark.parametrize(
    "goes_wrong, settings, ends",
    [
        ("threading.Event().wait()", {"canary": False}, ["rolled_back"]),
        (
            "threading.Timer(4.0, os._exit, [3]).start()",
            {"watch": "60s"},
            ["succeeded", "rolled_back"],
        ),
    ],
    ids=["never healthy", "falls over in its watch window"],
)
def test_a_rollback_wakes_it_where_it_finds_nobody(
    born: Panel, goes_wrong: str, settings: dict[str, object], ends: list[str]
) -> None:
    """Started again, the old one does what it always does; whom it names is not to be found, and
    it is put back under its name once it is healthy."""
    source = f"import os, threading\n\n\ndef start(routes):\n    {goes_wrong}\n"
    born.repository.commit({"backend/modules/broken.py": source})
    born.settings = {"target": {"backend": settings}}
    before = born.container()
    with born.daemon() as daemon:
        born.install("broken")
        for end in ends:
            assert daemon.wait_for("deployment.ended")["result"] == end, daemon.story()
        until(born.healthy, "the old one serves")
    assert born.container().id == before.id
    assert [each.name for each in born.containers()] == [born.container_name]
    assert _took_over(before) == ["stop 204, remove 204", "stop 404, remove 404"]
