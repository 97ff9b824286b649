"""An engine that is killed and started again while nothing is under way."""

from __future__ import annotations

from pathlib import Path

from rig.dockerd import Dockerd
from rig.engine_proxy import EngineProxy
from tests.acceptance.panel import merged, until
from tests.matrix.conftest import Panels
from tests.matrix.scenes import SETTINGS


def test_killed_between_two_looks(panels: Panels, own_dockerd: Dockerd, tmp_path: Path) -> None:
    """Nobody called it while it was away, and the target, which it left down, is up after the next
    look."""
    socket = Path(own_dockerd.host.removeprefix("unix://"))
    with panels() as panel, EngineProxy(tmp_path / "s", socket) as engine:
        panel.settings = merged(SETTINGS, {"timing": {"poll": "15s"}})
        panel.docker_host = engine.host
        panel.sql("select refitd.watch('public.modules')")
        with panel.daemon() as daemon:
            daemon.wait_for("target.adopted")
            looks = len(engine.calls)
            until(lambda: len(engine.calls) > looks, "a poll", 30.0, every_s=0.05)
            until(lambda: _is_calm(engine), "the end of that look", 10.0)
            calls, before = len(engine.calls), panel.container().attrs["State"]["StartedAt"]
            own_dockerd.kill()
            own_dockerd.start()
            assert len(engine.calls) == calls
            assert panel.container().status == "exited"

            daemon.wait_for("target.started_again")
            until(panel.serves, "it serves", 30.0)
            assert panel.container().attrs["State"]["StartedAt"] > before
            assert panel.deployments() == []


def _is_calm(engine: EngineProxy) -> bool:
    """Nothing was called for a second or so: a look is over in less."""
    calls = len(engine.calls)
    return not _grows(engine, calls)


def _grows(engine: EngineProxy, calls: int) -> bool:
    try:
        until(lambda: len(engine.calls) > calls, "another call", 1.0, every_s=0.05)
    except AssertionError:
        return False
    return True
