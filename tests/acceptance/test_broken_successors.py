"""New images that are broken, each in its way: what users see of it, and what the rows say.

What a canary can see costs no request. Where there is none, the old one is put back; the table of
requests that failed is printed (`pytest -s`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.acceptance.panel import Panel, until
from tests.acceptance.traffic import Traffic


def _module(body: str) -> dict[str, str]:
    source = f"import os, signal, threading\n\n\ndef start(routes):\n    {body}\n"
    return {"backend/modules/broken.py": source}


def _dockerfile(panel: Panel, before: str, after: str) -> dict[str, str]:
    text = (panel.repository.tree / "backend/Dockerfile").read_text()
    assert before in text
    return {"backend/Dockerfile": text.replace(before, after)}


@dataclass(frozen=True)
class Broken:
    """A way of being broken: the files that make it so, and what the row is to say of it."""

    files: Callable[[Panel], dict[str, str]]
    says: str
    settings: dict[str, Any]


_COMMAND = 'CMD ["python3", "service.py"]'
_CHECK = 'HEALTHCHECK --interval=1s --timeout=5s --start-period=5s --retries=3 CMD ["python3", "healthcheck.py"]'
NO_CANARY = {"canary": False}

BROKEN = {
    "does not start": Broken(
        lambda panel: _dockerfile(panel, _COMMAND, 'CMD ["/no-such-program"]') | _module("pass"),
        "no-such-program",
        {},
    ),
    "starts and exits": Broken(lambda _: _module("os._exit(7)"), "it exited with code 7", {}),
    # It would, with the old one's restart policy; that one it gets once it is proven.
    "loops": Broken(lambda _: _module("os._exit(7)"), "it exited with code 7", NO_CANARY),
    "is never healthy": Broken(
        lambda _: _module("threading.Event().wait()"), "its health check failed", {}
    ),
    "is never healthy, without a canary": Broken(
        lambda _: _module("threading.Event().wait()"), "its health check failed", NO_CANARY
    ),
    "is healthy on the wrong port": Broken(
        lambda panel: (
            _dockerfile(panel, _CHECK, 'ENV PORT=9090\nHEALTHCHECK --interval=1s CMD ["true"]')
            | _module("pass")
        ),
        "8080",
        {"health": {"http": {"port": 8080, "path": "/health"}, "deadline": "6s"}},
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken(panel: Panel, kind: str) -> None:
    """It is not taken: the old one serves, the row has the cause, and it is not tried again. With
    a canary no request fails."""
    broken = BROKEN[kind]
    panel.repository.commit(broken.files(panel))
    panel.settings = {"target": {"backend": broken.settings}}
    panel.migrate_and_watch()
    before = panel.container()
    with panel.daemon() as daemon, Traffic(panel.port) as traffic:
        panel.install("broken")
        ended = daemon.wait_for("deployment.ended")
        assert ended["result"] == "rolled_back", daemon.story()
        daemon.wait_for("target.looked", decision="nothing")
        until(panel.healthy, "the old one serves")
    print(f"{kind}: {traffic.failed} of {traffic.failed + traffic.answered} requests failed")
    assert panel.container().id == before.id
    assert broken.says in str(panel.deployments()[0]["error"])
    assert [each.name for each in panel.containers()] == [panel.container_name]
    assert len(panel.deployments()) == 1
    assert traffic.answered > 20
    if broken.settings.get("canary", True):
        assert traffic.failed == 0, traffic.failures


def test_falls_over_within_its_watch_window(panel: Panel) -> None:
    """Healthy at first: it serves, falls over, and container, tag and record of before are back
    within seconds; it is not tried again."""
    panel.repository.commit(_module("threading.Timer(4.0, os._exit, [3]).start()"))
    panel.settings = {"target": {"backend": {"watch": "60s"}}}
    panel.migrate_and_watch()
    before, image = panel.container(), panel.client.images.get(panel.image).id
    with panel.daemon() as daemon, Traffic(panel.port) as traffic:
        panel.install("broken")
        daemon.wait_for("deployment.ended", result="succeeded")
        ended = daemon.wait_for("deployment.ended", action="rollback")
        assert ended["result"] == "rolled_back"
        until(panel.healthy, "the old one serves")
    print(
        f"falls over: {traffic.failed} requests failed, for {traffic.longest_gap_s:.1f} s at most"
    )
    assert panel.container().id == before.id
    assert panel.client.images.get(panel.image).id == image
    assert panel.container().attrs["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
    assert [each.name for each in panel.containers()] == [panel.container_name]
    assert [row["state"] for row in panel.deployments()] == ["succeeded", "rolled_back"]
    assert "fell over" in panel.deployments()[1]["reason"]


def test_hangs_on_its_stop_signal(panel: Panel) -> None:
    """One that does not hear its stop signal is given its stop timeout, the engine's ten seconds
    here, and is replaced then: so long the outage is, and not longer."""
    text = (panel.repository.tree / "backend/service.py").read_text()
    waits = "    signal.sigwait({signal.SIGTERM, signal.SIGINT})\n"
    assert waits in text
    deaf = {"backend/service.py": text.replace(waits, "    signal.sigwait({signal.SIGINT})\n")}
    panel.repository.commit(deaf | _module("pass"))
    panel.migrate_and_watch()
    with panel.daemon() as daemon:
        panel.install("broken")
        assert daemon.wait_for("deployment.ended")["result"] == "succeeded"
        with Traffic(panel.port) as traffic:
            panel.install("mail")
            ended = daemon.wait_for("deployment.ended")
            until(panel.healthy, "the new one serves")
    print(f"hangs on SIGTERM: {traffic.failed} requests failed, outage {ended['outage_s']} s")
    assert ended["result"] == "succeeded", daemon.story()
    assert panel.built_in() == panel.wanted()
    assert ended["outage_s"] < 14.0
