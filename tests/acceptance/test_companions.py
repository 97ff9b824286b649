"""Containers that live in the backend's namespaces, or use its volumes, on a real engine."""

from __future__ import annotations

from typing import Any

import pytest

from tests.acceptance.panel import Panel, until

#: Ends at a word, so that stopping costs nothing.
_IDLE = "import signal, sys; signal.signal(15, lambda *_: sys.exit()); signal.pause()"
_ASK = "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:8080/health').status)"


class Family:
    """A backend, `proxy` in its network, `tailer` in the proxy's, `backup` with its volumes."""

    def __init__(self, panel: Panel) -> None:
        self.panel = panel
        panel.container().remove(force=True, v=True)
        panel.start_backend(volumes={f"{panel.name}-data": {"bind": "/data", "mode": "rw"}})
        backend = panel.container()
        proxy = self._run("proxy", network_mode=f"container:{backend.id}")
        self._run("tailer", pid_mode=f"container:{proxy.name}")
        self._run("backup", volumes_from=[f"{backend.name}:ro"])

    def _run(self, word: str, **options: Any) -> Any:
        run: Any = self.panel.client.containers.run  # `options` are of every type
        return run(
            self.panel.base_image,
            ["python3", "-c", _IDLE],
            name=f"{self.panel.name}-{word}",
            detach=True,
            restart_policy={"Name": "unless-stopped"},
            environment={"WORD": word},
            **options,
        )

    def member(self, word: str) -> Any:
        """Who bears the name now."""
        return self.panel.client.containers.get(f"{self.panel.name}-{word}")

    def ids(self) -> dict[str, str]:
        """Of all four."""
        words = ("backend", "proxy", "tailer", "backup")
        return {word: str(self.member(word).id) for word in words}

    def check_together(self) -> None:
        """Everybody runs, as they were asked to, and where they belong."""
        backend, proxy = self.panel.container(), self.member("proxy")
        assert proxy.attrs["HostConfig"]["NetworkMode"] == f"container:{backend.id}"
        answer = proxy.exec_run(["python3", "-c", _ASK])
        assert answer.output.strip() == b"200", answer
        processes = self.member("tailer").exec_run(["cat", "/proc/1/environ"])
        assert b"WORD=proxy" in processes.output, processes
        (mount,) = self.member("backup").attrs["Mounts"]
        assert (mount["Destination"], mount["Name"]) == ("/data", f"{self.panel.name}-data")
        for word in ("proxy", "tailer", "backup"):
            attrs = self.member(word).attrs
            assert attrs["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
            assert f"WORD={word}" in attrs["Config"]["Env"]
        assert len(self.panel.containers()) == 4


@pytest.fixture
def family(panel: Panel) -> Family:
    """All four, and refitd installed."""
    panel.settings = {"target": {"backend": {"health": {"stable": "500ms"}}}}
    panel.migrate_and_watch()
    return Family(panel)


def test_brought_along(family: Family) -> None:
    """A rebuild replaces them after the backend, each where it belongs; a toggle restarts who was
    cut off by it; and the next rebuild finds them again."""
    panel, first = family.panel, family.ids()
    with panel.daemon() as daemon:
        panel.install("mail")
        ended = daemon.wait_for("deployment.ended")
        assert (ended["result"], ended["strategy"]) == ("succeeded", "swap"), daemon.story()
        until(lambda: len(panel.containers()) == 4, "what was replaced is retired")
        family.check_together()
        second = family.ids()
        assert not set(first.values()) & set(second.values())
        panel.switch("mail", on=False)
        ended = daemon.wait_for("deployment.ended")
        assert (ended["result"], ended["strategy"]) == ("succeeded", "restart"), daemon.story()
        family.check_together()
        assert family.ids() == second
        panel.uninstall("mail")
        daemon.wait_for("deployment.ended", result="succeeded")
        until(lambda: len(panel.containers()) == 4, "what was replaced is retired")
        family.check_together()
        assert panel.built_in() == ["billing"]


def test_put_back(family: Family) -> None:
    """A successor that is not proven in its place puts all four back as they were."""
    panel, first = family.panel, family.ids()
    health = {"deadline": "8s", "stable": "500ms"}
    panel.settings = {"target": {"backend": {"canary": False, "health": health}}}
    with panel.daemon() as daemon:
        panel.install("never_healthy")
        ended = daemon.wait_for("deployment.ended")
        assert ended["result"] == "rolled_back", daemon.story()
        until(panel.healthy, "the backend serves again")
        family.check_together()
        assert family.ids() == first


def test_said_beforehand(family: Family) -> None:
    """`refitd plan` names them; one that could not be put back stands against it."""
    panel = family.panel
    panel.install("mail")
    said = panel.refitd("plan").stdout
    assert f"start the new {panel.name}-proxy" in " ".join(said.split())
    family.member("backup").remove(force=True)
    panel.client.containers.run(
        panel.base_image,
        ["python3", "-c", _IDLE],
        name=f"{panel.name}-backup",
        detach=True,
        remove=True,
        volumes_from=[panel.container_name],
    )
    before = family.ids()
    assert panel.refitd("once").returncode == 1
    (ended,) = panel.deployments()
    assert "it was started with --rm" in ended["error"]
    assert family.ids() == before
