"""Rows are written; the backend follows. Everything here is real."""

from __future__ import annotations

import json
import urllib.request

import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from rig import ports
from tests.acceptance.panel import Event, Panel, until
from tests.acceptance.traffic import Traffic

TEN = (
    *("audit", "calendar", "currency", "holidays", "mail"),
    *("passwords", "reports", "search", "slugs", "tickets"),
)


def poll_every_second(panel: Panel) -> None:
    """From the next start on; and the looks are counted where `polls` reads them."""
    panel.settings = {"metrics_port": ports.free_port(), "timing": {"poll": "1s"}}


def polls(panel: Panel) -> int:
    """How many periodic looks the daemon has begun."""
    url = f"http://127.0.0.1:{panel.settings['metrics_port']}/metrics"
    with urllib.request.urlopen(url, timeout=5) as answer:
        text = answer.read().decode()
    counted = [
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "refitd_looks_total" and sample.labels["wake"] == "poll"
    ]
    return int(sum(counted))


def condition(panel: Panel) -> str:
    """How the target stands, as `refitd.status` has it."""
    return str(panel.sql("select condition from refitd.status")[0]["condition"])


def let_it_poll(panel: Panel) -> None:
    """Wait until three more periodic looks have begun, and so two of them have ended."""
    so_far = polls(panel)
    until(lambda: polls(panel) >= so_far + 3, "three more periodic looks")


def test_first_contact_touches_nothing(panel: Panel) -> None:
    """`migrate` and `run` on a running panel touch nothing until a change, however often the
    daemon looks."""
    poll_every_second(panel)
    before = panel.container().attrs
    images = {image.id for image in panel.client.images.list()}
    panel.migrate_and_watch()
    with panel.daemon() as daemon:
        daemon.wait_for("target.adopted")
        let_it_poll(panel)
        assert panel.deployments() == []
        after = panel.container().attrs
        assert not daemon.said("step.done")
    for part in ("Id", "Name", "Image", "Config", "HostConfig", "RestartCount"):
        assert after[part] == before[part], part
    assert after["State"]["StartedAt"] == before["State"]["StartedAt"]
    assert {image.id for image in panel.client.images.list()} == images
    assert [each.name for each in panel.containers()] == [panel.container_name]


def test_a_burst_is_one_rebuild(panel: Panel) -> None:
    """Ten rows in ten transactions within a second: one rebuild, and what runs equals the table."""
    panel.migrate_and_watch()
    with panel.daemon() as daemon:
        panel.install(*TEN)
        ended = daemon.wait_for("deployment.ended")
        assert ended["result"] == "succeeded", daemon.story()
        assert ended["wake"] == "notify"
        assert panel.built_in() == sorted([*TEN, "billing"]) == panel.wanted()
        assert panel.enabled() == panel.wanted()
        daemon.wait_for("container.retired")
    assert [(row["action"], row["state"]) for row in panel.deployments()] == [
        ("rebuild", "succeeded")
    ]
    assert [each.name for each in panel.containers()] == [panel.container_name]


def test_the_audit_tells_all_of_a_deployment(panel: Panel) -> None:
    """One canonical line, the same in the rows, the build log, and the labels of the image."""
    panel.migrate_and_watch()
    with panel.daemon() as daemon:
        panel.install("mail")
        line = daemon.wait_for("deployment.ended")
        daemon.wait_for("container.retired")
        for kind in ("pause", "resume"):
            panel.sql("insert into refitd.request (target, kind) values ('backend', %s)", kind)
            daemon.wait_for("request.done", kind=kind)
    row = panel.deployments()[0]
    assert line["target"] == "backend"
    assert (line["deployment"], line["epoch"]) == (row["id"], row["epoch"])
    for key in ("action", "reason", "wake", "modules", "enabled", "commit", "strategy"):
        assert line[key] == row[key], key
    assert line["commit"] == panel.repository.head()
    assert line["outage_s"] == row["outage_s"] < 10
    steps = panel.sql("select step, duration_s from refitd.deployment_step order by id")
    assert [step["step"] for step in steps] == [
        name.partition(" ")[2] for name in sorted(line["steps"])
    ]
    for name in ("resolve", "build", "start_canary", "stop_old", "start_successor", "tag"):
        assert name in [step["step"] for step in steps]
    log = panel.sql("select string_agg(line, E'\n' order by id) as log from refitd.build_log")
    assert "Successfully built" in log[0]["log"]
    assert row["progress_step"] == row["progress_total"] > 5
    labels = panel.client.images.get(panel.image).labels
    assert labels["dev.refitd.image.modules"] == "billing,mail"
    assert labels["dev.refitd.image.commit"] == row["commit"]
    assert labels["dev.refitd.image.build-key"] == row["build_key"]
    assert panel.image_id() == panel.client.images.get(panel.image).id
    changes = panel.sql("select deployment_id from refitd.change")
    assert [change["deployment_id"] for change in changes] == [row["id"]]
    for event in daemon.events:
        check_placed(event)


#: What is said of the daemon as a whole, and what of a target but of no deployment.
OF_THE_DAEMON = {"daemon", "listener", "settings"}
OF_NO_DEPLOYMENT = {"lease.taken", "target.adopted", "target.looked", "request.done"}


def check_placed(event: Event) -> None:
    """Every event but the daemon's own says its target and epoch, and about which deployment."""
    name = event["event"]
    if name.partition(".")[0] in OF_THE_DAEMON:
        return
    assert event["target"] == "backend", event
    assert event["epoch"] > 0, event
    assert name in OF_NO_DEPLOYMENT or event["deployment"] > 0, event


def test_a_toggle_restarts_without_a_build(panel: Panel) -> None:
    """`enabled` switched off: the same container and image, started anew, proven before."""
    panel.migrate_and_watch()
    before, image = panel.container(), panel.image_id()
    with panel.daemon() as daemon:
        panel.switch("billing", on=False)
        ended = daemon.wait_for("deployment.ended")
        assert (ended["action"], ended["result"]) == ("restart", "succeeded"), daemon.story()
        assert not daemon.said("build.advanced")
        assert daemon.said("step.done", step="note_canary_proven")
        assert panel.enabled() == []
        panel.switch("billing", on=True)
        daemon.wait_for("deployment.ended", result="succeeded")
        assert panel.enabled() == ["billing"]
    after = panel.container()
    assert (after.id, panel.image_id()) == (before.id, image)
    assert after.attrs["State"]["StartedAt"] != before.attrs["State"]["StartedAt"]


def test_writes_that_mean_nothing_leave_no_trace(panel: Panel) -> None:
    """A row without `has_backend`, an unwatched column, a no-op: no change row, no NOTIFY, no
    look."""
    panel.migrate_and_watch()
    with panel.daemon() as daemon, psycopg.connect(panel.dsn, autocommit=True) as ear:
        daemon.wait_for("target.adopted")
        ear.execute("listen refitd")
        panel.sql("insert into modules (id, has_backend) values ('theme', false)")
        panel.sql("update modules set enabled = false where id = 'theme'")
        panel.sql("update modules set title = 'Billing' where id = 'billing'")
        panel.sql("update modules set enabled = enabled")
        panel.sql("delete from modules where id = 'theme'")
        assert list(ear.notifies(timeout=1.0, stop_after=1)) == []
        panel.install("mail")
        assert len(list(ear.notifies(timeout=30.0, stop_after=1))) == 1
        daemon.wait_for("deployment.ended")
    changes = panel.sql("select modules from refitd.change")
    assert [change["modules"] for change in changes] == [["mail"]]


def test_a_module_that_cannot_start_never_takes_the_backend_down(panel: Panel) -> None:
    """Switched on, it fails in a canary; the one that serves is not even restarted."""
    panel.migrate_and_watch()
    panel.install("fails-to-start", enabled=False)
    with panel.daemon() as daemon:
        daemon.wait_for("deployment.ended", result="succeeded")
        with Traffic(panel.port) as traffic:
            started_at = panel.container().attrs["State"]["StartedAt"]
            panel.switch("fails-to-start", on=True)
            ended = daemon.wait_for("deployment.ended")
            assert (ended["action"], ended["result"]) == ("restart", "rolled_back")
            assert "canary" in ended["error"]
        assert traffic.failed == 0, traffic
        assert traffic.answered > 20
        assert panel.container().attrs["State"]["StartedAt"] == started_at
        log = panel.sql(
            "select line from refitd.build_log where deployment_id = %s", ended["deployment"]
        )
        assert any("fails" in row["line"] for row in log)
        panel.switch("fails-to-start", on=False)
        daemon.wait_for("target.looked", decision="nothing", reason="in step")
    assert len(panel.deployments()) == 2


@pytest.mark.parametrize(
    "module, result, said",
    [
        ("broken-build", "failed", "broken_build"),
        ("never-healthy", "rolled_back", "health check"),
    ],
)
def test_a_bad_module_leaves_the_old_one_serving(
    panel: Panel, module: str, result: str, said: str
) -> None:
    """It serves throughout; row and log have the cause; no loop; mending the row heals.

    Toggles are served meanwhile, by restarts of what runs. Where the image can be built, a toggle
    is first a reason to try it once more, switched so: that is rolled back like the first.
    """
    poll_every_second(panel)
    panel.migrate_and_watch()
    with panel.daemon() as daemon:
        before = panel.container()
        with Traffic(panel.port) as traffic:
            panel.install(module)
            ended = daemon.wait_for("deployment.ended")
            assert ended["result"] == result, daemon.story()
            daemon.wait_for("target.looked", decision="nothing")
            # A poll looks again, and does not try again.
            let_it_poll(panel)
            assert len(panel.deployments()) == 1, daemon.story()
        assert traffic.failed == 0, traffic
        assert traffic.answered > 20
        after = panel.container()
        assert (after.id, after.attrs["State"]["StartedAt"]) == (
            before.id,
            before.attrs["State"]["StartedAt"],
        )
        row = panel.deployments()[-1]
        log = panel.sql("select line from refitd.build_log where deployment_id = %s", row["id"])
        assert row["error"]
        assert said in row["error"] + "".join(line["line"] for line in log)
        assert condition(panel) == "failed"
        panel.switch("billing", on=False)
        if module == "never-healthy":
            again = daemon.wait_for("deployment.ended")
            assert (again["action"], again["result"]) == ("rebuild", "rolled_back")
        toggled = daemon.wait_for("deployment.ended")
        assert (toggled["action"], toggled["result"]) == ("restart", "succeeded"), daemon.story()
        assert "billing" not in panel.enabled()
        so_far = len(panel.deployments())
        panel.uninstall(module)
        until(lambda: condition(panel) == "in_step", "in step by the mended row alone")
        let_it_poll(panel)
        assert condition(panel) == "in_step", daemon.story()
        assert len(panel.deployments()) == so_far, daemon.story()
        assert panel.built_in() == ["billing"]
        panel.install("mail")
        rebuilt = daemon.wait_for("deployment.ended", action="rebuild")
        assert rebuilt["result"] == "succeeded"
        assert panel.built_in() == ["billing", "mail"]
    tries = [row for row in panel.deployments() if module in row["modules"]]
    assert len(tries) == (1 if module == "broken-build" else 2)


def test_changes_made_while_the_daemon_is_down_are_acted_on_at_once(panel: Panel) -> None:
    """Rows change while nobody listens; the next start acts on them, without any poll."""
    panel.migrate_and_watch()
    with panel.daemon() as daemon:
        daemon.wait_for("target.adopted")
    assert daemon.process.returncode == 0
    panel.install("mail", "search")
    panel.switch("billing", on=False)
    with panel.daemon() as daemon:
        ended = daemon.wait_for("deployment.ended")
        assert (ended["result"], ended["wake"]) == ("succeeded", "start")
        assert panel.built_in() == panel.wanted()
        assert panel.enabled() == ["mail", "search"]


def test_rows_written_before_the_first_start_count(panel: Panel) -> None:
    """Changed between `watch` and the very first `run`: acted on too, and only as far as needed."""
    panel.migrate_and_watch()
    panel.switch("billing", on=False)
    done = panel.refitd("once", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["action"] == "restart"
    assert panel.enabled() == []
    again = panel.refitd("once", "--json")
    assert json.loads(again.stdout)[0]["state"] == "nothing"


def test_a_change_during_a_rebuild_causes_at_most_one_more(panel: Panel) -> None:
    """Rows written while an image is being built: the build is cut short, or followed by one."""
    panel.migrate_and_watch()
    with panel.daemon() as daemon:
        panel.install("mail")
        daemon.wait_for("build.advanced")
        panel.install("search", "slugs")
        daemon.wait_for("target.looked", reason="in step", decision="nothing")
        assert panel.built_in() == panel.wanted()
    assert len(panel.deployments()) == 2


def test_a_rebuild_of_the_same_parts_uses_the_image_again(panel: Panel) -> None:
    """Installed, uninstalled, installed: the third has nothing to build."""
    panel.settings = {"target": {"backend": {"keep_images": 3}}}
    panel.migrate_and_watch()
    with panel.daemon() as daemon:
        panel.install("mail")
        daemon.wait_for("deployment.ended", result="succeeded")
        panel.uninstall("mail")
        daemon.wait_for("deployment.ended", result="succeeded")
        panel.install("mail")
        daemon.wait_for("image.reused")
        daemon.wait_for("deployment.ended", result="succeeded")
        assert panel.built_in() == ["billing", "mail"]


def test_requests_are_served(panel: Panel) -> None:
    """`refitd rebuild` and `restart` write rows that the daemon acts on, and wait for the end."""
    panel.migrate_and_watch()
    with panel.daemon() as daemon:
        rebuilt = panel.refitd("rebuild", "--wait")
        assert rebuilt.returncode == 0, rebuilt.stderr
        restarted = panel.refitd("restart", "--wait")
        assert restarted.returncode == 0, restarted.stderr
        actions = [row["action"] for row in panel.deployments()]
        assert actions == ["rebuild", "restart"], daemon.story()
        retried = panel.refitd("retry", "--wait")
        assert retried.returncode == 0, retried.stderr
        assert "nothing to do: in step" in retried.stdout
        assert len(panel.deployments()) == len(actions)
        status = json.loads(panel.refitd("status", "--json").stdout)
        assert [row["condition"] for row in status] == ["in_step"], daemon.story()
    asked = panel.sql("select kind, closed_at from refitd.request order by id")
    assert [request["kind"] for request in asked] == ["rebuild", "restart", "retry"]
    assert all(request["closed_at"] for request in asked), asked
    assert "Step 1/" in panel.refitd("logs", str(panel.deployments()[0]["id"])).stdout
