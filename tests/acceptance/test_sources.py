"""Other sources, and what is kept of what refitd made."""

from __future__ import annotations

import json

from refitd.core import labels
from tests.acceptance.panel import Panel


def test_a_local_folder_is_a_source(panel: Panel) -> None:
    """No git at all: the folder is sent to the engine, and a digest of it stands for the commit."""
    panel.settings = {
        "target": {
            "backend": {
                "source": {"repo": None, "branch": None, "path": str(panel.repository.tree)}
            }
        }
    }
    panel.migrate_and_watch()
    panel.install("mail")
    done = panel.refitd("once", "--json")
    assert done.returncode == 0, done.stderr
    assert panel.built_in() == ["billing", "mail"]
    assert panel.deployments()[0]["commit"]


def test_a_branch_that_is_followed_rebuilds_when_it_moves(panel: Panel) -> None:
    """With `follow` a push alone is acted on at the next periodic look; a second look is not."""
    panel.settings = {
        "timing": {"poll": "1s"},
        "target": {"backend": {"source": {"follow": True}}},
    }
    panel.migrate_and_watch()
    with panel.daemon() as daemon:
        panel.install("mail")
        daemon.wait_for("deployment.ended", result="succeeded")
        pushed = panel.repository.commit({"backend/NEWS": "A new release.\n"})
        ended = daemon.wait_for("deployment.ended")
        assert (ended["action"], ended["result"]) == ("rebuild", "succeeded"), daemon.story()
        assert ended["commit"] == pushed
        assert ended["wake"] == "poll"
        daemon.wait_for("target.looked", reason="in step")
    assert len(panel.deployments()) == 2


def test_a_push_alone_rebuilds_nothing(panel: Panel) -> None:
    """Without `follow` the commit is only recorded, and the next row picks the newest up."""
    panel.migrate_and_watch()
    panel.install("mail")
    assert panel.refitd("once").returncode == 0
    pushed = panel.repository.commit({"backend/NEWS": "A new release.\n"})
    assert json.loads(panel.refitd("once", "--json").stdout)[0]["state"] == "nothing"
    panel.install("search")
    assert panel.refitd("once").returncode == 0
    assert [row["commit"] == pushed for row in panel.deployments()] == [False, True]


def test_one_previous_image_is_kept(panel: Panel) -> None:
    """After three rebuilds: the image that runs and the one before it, and no third.

    Another panel on the engine, with a target of the same name, has no part in it.
    """
    next_door = {labels.TARGET: "backend", labels.FINAL_NAME: f"{panel.container_name}-next-door"}
    panel.client.containers.create(panel.image, name=next_door[labels.FINAL_NAME], labels=next_door)
    panel.settings = {"target": {"backend": {"watch": "0s"}}}
    panel.migrate_and_watch()
    for module in ("mail", "search", "slugs"):
        panel.install(module)
        assert panel.refitd("once").returncode == 0
    last = [row["id"] for row in panel.deployments()][-2:]
    tags = {
        tag.rpartition(":")[2]
        for image in panel.client.images.list(name=panel.image.rpartition(":")[0])
        for tag in image.tags
    }
    assert tags == {"latest", *(f"refitd-{id_}" for id_ in last)}
    assert {each.name for each in panel.containers()} == {
        panel.container_name,
        next_door[labels.FINAL_NAME],
    }


def test_doctor_finds_a_healthy_panel_healthy(panel: Panel) -> None:
    """Every finding is well, and the exit code is 0; with the triggers gone it is not."""
    panel.migrate_and_watch()
    done = panel.refitd("doctor", "--json")
    findings = json.loads(done.stdout)
    assert done.returncode == 0, [each for each in findings if not each["ok"]]
    assert len(findings) > 8
    panel.sql("alter table modules disable trigger user")
    sick = panel.refitd("doctor", "--json")
    assert sick.returncode == 1
    wrong = [each for each in json.loads(sick.stdout) if not each["ok"]]
    assert wrong
    assert all(each["remedy"] for each in wrong)


def test_no_secret_is_written_down(panel: Panel) -> None:
    """The password of the DSN, and a build argument's token: in no log, row or answer."""
    token = "glpat-0123456789abcdefghij"
    repo = panel.repository.url.replace("git://", f"http://bot:{token}@")
    panel.settings = {"target": {"backend": {"source": {"repo": repo, "insecure": True}}}}
    panel.migrate_and_watch()
    panel.install("mail")
    done = panel.refitd("once")
    assert done.returncode == 1
    password = panel.dsn.partition(":")[2].partition(":")[2].partition("@")[0]
    told = done.stdout + done.stderr + panel.refitd("history").stdout + panel.refitd("plan").stdout
    tables = ("change", "deployment", "deployment_step", "build_log", "quarantine", "target_state")
    for table in tables:
        rows = panel.sql(f"select * from refitd.{table}")  # noqa: S608 - names from above
        told += json.dumps(rows, default=str)
    assert "127.0.0.1" in told
    assert token not in told
    assert password not in told
