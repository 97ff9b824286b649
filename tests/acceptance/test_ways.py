"""The ways of replacing, and a daemon that is stopped or killed on them."""

from __future__ import annotations

import json

import pytest

from tests.acceptance.panel import Daemon, Panel, until


@pytest.fixture
def network(panel: Panel) -> str:
    """A user-defined network, on which the backend stands without a published port."""
    made = panel.client.networks.create(f"{panel.name}-net")
    panel.container().remove(force=True)
    container = panel.start_backend(ports={}, network=made.name)
    made.disconnect(container)
    made.connect(container, aliases=["api"])
    return str(made.name)


def aliases(panel: Panel, network: str) -> set[str]:
    endpoint = panel.container().attrs["NetworkSettings"]["Networks"][network]
    return set(endpoint["Aliases"] or ())


def test_overlap_never_leaves_the_name_without_a_container(panel: Panel, network: str) -> None:
    """Declared concurrent, on its own network: the new one runs before the old one stops, gets
    the alias late, and a toggle is a replacement with the same image."""
    panel.settings = {"target": {"backend": {"concurrent": True}}}
    panel.migrate_and_watch()
    with panel.daemon() as daemon:
        panel.install("mail")
        ended = daemon.wait_for("deployment.ended")
        assert (ended["result"], ended["strategy"]) == ("succeeded", "overlap"), daemon.story()
        steps = [event["step"] for event in daemon.said("step.done")]
        assert steps.index("connect") < steps.index("stop_old") < steps.index("rename")
        assert "create_canary" not in steps
        assert "api" in aliases(panel, network)
        before, image = panel.container(), panel.image_id()
        panel.switch("mail", on=False)
        ended = daemon.wait_for("deployment.ended")
        assert (ended["action"], ended["result"]) == ("restart", "succeeded")
        after = panel.container()
        assert after.id != before.id
        assert panel.image_id() == image
        assert "api" in aliases(panel, network)
        until(lambda: len(panel.containers()) == 1, "what was replaced is retired")


def test_what_was_asked_of_the_old_one_is_asked_of_the_new(panel: Panel) -> None:
    """Environment, labels, ports, policy, memory, a named volume: carried; the id differs."""
    panel.container().remove(force=True)
    panel.start_backend(
        environment={"PANEL_MODE": "live"},
        labels={"com.example.owner": "panel"},
        mem_limit="256m",
        volumes={f"{panel.name}-data": {"bind": "/data", "mode": "rw"}},
        stop_signal="SIGTERM",
    )
    old = panel.container().attrs
    panel.migrate_and_watch()
    panel.install("mail")
    assert panel.refitd("once").returncode == 0
    new = panel.container().attrs
    assert new["Id"] != old["Id"]
    assert set(old["Config"]["Env"]) == set(new["Config"]["Env"])
    for path in (
        ("HostConfig", "PortBindings"),
        ("HostConfig", "Memory"),
        ("HostConfig", "Binds"),
        ("HostConfig", "RestartPolicy"),
        ("Config", "StopSignal"),
        ("Config", "Cmd"),
    ):
        assert new[path[0]][path[1]] == old[path[0]][path[1]], path
    assert new["Config"]["Labels"]["com.example.owner"] == "panel"
    panel.clear()
    panel.client.volumes.get(f"{panel.name}-data").remove()


def test_plan_says_what_would_happen_and_does_nothing(panel: Panel) -> None:
    """The decision, its reason, and every step; afterwards all is as it was."""
    panel.migrate_and_watch()
    panel.install("mail")
    before = panel.container().attrs
    images = {image.id for image in panel.client.images.list()}
    view = json.loads(panel.refitd("plan", "--json").stdout)[0]
    assert view["decision"] == "rebuild"
    assert "mail" in view["reason"]
    text = "\n".join(view["steps"])
    for word in ("canary", "stop the old container", "start the new container", "move the tag"):
        assert word in text
    after = panel.container().attrs
    for part in ("Id", "Name", "Image", "Config", "HostConfig"):
        assert after[part] == before[part]
    assert after["State"]["StartedAt"] == before["State"]["StartedAt"]
    assert {image.id for image in panel.client.images.list()} == images
    assert panel.deployments() == []
    assert [each.name for each in panel.containers()] == [panel.container_name]


def test_a_stopped_target_is_rebuilt_and_not_started(panel: Panel) -> None:
    """Whoever stopped it wants it stopped; the new one is proven as a canary, and then waits."""
    panel.container().stop()
    panel.migrate_and_watch()
    panel.install("mail")
    done = panel.refitd("once")
    assert done.returncode == 0, done.stderr
    container = panel.container()
    assert container.status == "created"
    container.start()
    until(panel.healthy, "it starts")
    assert panel.built_in() == ["billing", "mail"]


def test_sigterm_parks_a_replacement_and_leaves_the_target_serving(panel: Panel) -> None:
    """Asked to stop while the canary is proven: it ends at once, with the old one serving, and
    the next start goes on with the same deployment."""
    panel.migrate_and_watch()
    panel.install("mail")
    with panel.daemon() as daemon:
        daemon.wait_for("step.done", step="start_canary")
        assert daemon.end() == 0
        assert daemon.said("deployment.parked")
        assert panel.healthy()
    with panel.daemon() as daemon:
        daemon.wait_for("deployment.ended", result="succeeded")
    assert [row["state"] for row in panel.deployments()] == ["succeeded"]


def told_to_stop_at_the_worst_moment(panel: Panel, daemon: Daemon) -> None:
    """SIGTERM while the old container is being stopped: it does not listen to its signal, so
    that takes the ten seconds until the engine kills it."""
    daemon.wait_for("step.done", step="create_successor")
    until(lambda: panel.deployments()[0]["step"] == "stop_old", "it begins to stop the old one")
    daemon.process.terminate()
    daemon.wait_for("daemon.stopping")
    assert not daemon.said("step.done", step="stop_old"), daemon.story()


def deaf_backend(panel: Panel) -> None:
    """Begin anew, with a backend whose stop signal means nothing to it."""
    panel.container().remove(force=True)
    panel.start_backend(stop_signal="SIGWINCH")
    panel.migrate_and_watch()
    panel.install("mail")


def test_sigterm_while_nobody_serves_waits_until_somebody_does(panel: Panel) -> None:
    """D6: asked to stop between the old one and the new, the swap is finished first."""
    deaf_backend(panel)
    with panel.daemon() as daemon:
        told_to_stop_at_the_worst_moment(panel, daemon)
        daemon.wait_for("step.done", step="start_successor")
        assert daemon.process.wait(timeout=60) == 0
        assert panel.built_in() == ["billing", "mail"]
    with panel.daemon() as daemon:
        until(lambda: panel.deployments()[0]["state"] == "succeeded", "it is concluded")
    assert len(panel.deployments()) == 1


def test_once_told_to_stop_does_not_leave_the_target_down(panel: Panel) -> None:
    """`refitd once` too finishes what it has begun, and the next one does the rest."""
    deaf_backend(panel)
    once = Daemon(panel.config(), panel.folder, "once")
    once.wait_for("step.done", step="create_successor")
    until(lambda: panel.deployments()[0]["step"] == "stop_old", "it begins to stop the old one")
    once.process.terminate()
    once.wait_for("step.done", step="start_successor")
    assert once.process.wait(timeout=60) == 1
    once.end()
    assert panel.built_in() == ["billing", "mail"]
    assert panel.refitd("once").returncode == 0
    assert [row["state"] for row in panel.deployments()] == ["succeeded"]


def test_a_second_sigterm_ends_the_daemon_at_once(panel: Panel) -> None:
    """Even between the old container and the new one; the next start goes on from there."""
    deaf_backend(panel)
    with panel.daemon() as daemon:
        told_to_stop_at_the_worst_moment(panel, daemon)
        assert daemon.process.poll() is None
        assert daemon.end() == 130
        assert not daemon.said("step.done", step="stop_old"), daemon.story()
        assert not daemon.said("daemon.stopped")
    with panel.daemon() as daemon:
        daemon.wait_for("deployment.ended", result="succeeded")
        daemon.wait_for("container.retired")
        assert panel.built_in() == panel.wanted()
    assert [each.name for each in panel.containers()] == [panel.container_name]
    assert [row["state"] for row in panel.deployments()] == ["succeeded"]
