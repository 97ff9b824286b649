"""An engine that keeps the target's port for nobody, as `tests/matrix/kept_port.py` has it."""

from __future__ import annotations

import os
import signal

import pytest

from rig.dockerd import Dockerd
from rig.ports import answers
from tests.acceptance.panel import Panel, merged, until
from tests.matrix import kept_port
from tests.matrix.conftest import Panels
from tests.matrix.scenes import SCENES, SETTINGS

#: How often it may take to have it: mostly once, since a start is over in a fifth of a second.
TRIES = 8


def test_refitd_goes_on_trying_until_it_is_given_back(panels: Panels, own_dockerd: Dockerd) -> None:
    """The status says what the engine refuses; once that was started again, the target is up, though
    nobody has written a row. On an engine that keeps no port the target is up at once."""
    with panels() as panel:
        panel.settings = merged(SETTINGS, {})
        panel.sql("select refitd.watch('public.modules')")
        with panel.daemon() as daemon:
            daemon.wait_for("target.adopted")
            before = str(panel.container().id)
            if not _have_it_kept(panel, own_dockerd):
                assert not kept_port.may_keep(panel)
                return

            until(lambda: "already allocated" in _detail(panel), "the status says it", 30.0)
            assert not panel.serves()
            assert kept_port.is_kept(panel)

            kept_port.give_back(own_dockerd)
            until(panel.serves, "it serves", 30.0)
            until(lambda: "allocated" not in _detail(panel), "the status says so", 30.0)
            assert [str(each.id) for each in panel.containers()] == [before]


def test_on_the_way_back(panels: Panels, own_dockerd: Dockerd) -> None:
    """A new one that falls over in its watch window, and the machine goes down while the engine
    starts it again: the old one is started until it runs, and the status says what is in the way."""
    for _ in range(TRIES):
        with panels() as panel:
            if _way_back(panel, own_dockerd) or not kept_port.may_keep(panel):
                return
    pytest.fail(f"{TRIES} times it gave the port back")


def _way_back(panel: Panel, dockerd: Dockerd) -> bool:
    """Whether the port was kept."""
    scene = next(each for each in SCENES if each.name == "back in the watch window")
    scene.set_up(panel)
    before = str(panel.container().id)
    with panel.daemon() as daemon:
        daemon.wait_for("target.adopted")
        scene.act(panel)
        daemon.wait_for("deployment.ended", result="succeeded")
        _wait_until_started_again(panel)
        daemon.process.kill()
        dockerd.crash()
    dockerd.start()
    with panel.daemon():
        kept = kept_port.is_kept(panel)
        if kept:
            until(lambda: "already allocated" in _detail(panel), "the status says it", 30.0)
            assert _detail(panel).startswith("rollback: start_old: ")
            kept_port.give_back(dockerd)
        until(lambda: not scene.unlike(panel, before), "the end", 60.0, every_s=0.2)
    return kept


def _have_it_kept(panel: Panel, dockerd: Dockerd) -> bool:
    """The target falls over, and the machine goes down while the engine starts it again."""
    for _ in range(TRIES):
        until(panel.serves, "it serves")
        os.kill(panel.container().attrs["State"]["Pid"], signal.SIGKILL)
        _wait_until_started_again(panel)
        dockerd.crash()
        dockerd.start()
        if kept_port.is_kept(panel):
            return True
    until(panel.serves, "it serves", 30.0)
    return False


def _wait_until_started_again(panel: Panel) -> None:
    """In the midst of that."""
    until(lambda: not _accepts(panel), "it is down", every_s=0.001)
    until(lambda: _accepts(panel), "the engine starts it again", every_s=0.001)


def _accepts(panel: Panel) -> bool:
    return answers("127.0.0.1", panel.port, within_s=0.0)


def _detail(panel: Panel) -> str:
    (row,) = panel.sql("select detail from refitd.status")
    return str(row["detail"])
