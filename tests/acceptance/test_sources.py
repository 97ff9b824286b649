"""Other sources, and what is kept of what refitd made."""

from __future__ import annotations

import json
import urllib.request

import pytest
from psycopg.conninfo import conninfo_to_dict

from refitd.core import labels
from rig import ports
from rig.sshd import SshServer
from tests.acceptance.panel import Panel, merged


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


def test_a_repository_over_ssh_is_a_source(
    panel: Panel, ssh_server: SshServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`ssh://`, which the engine does not understand: fetched by the daemon, sent, and built."""
    monkeypatch.setenv("GIT_SSH_COMMAND", ssh_server.command())
    repo = ssh_server.url(panel.repository.bare)
    panel.settings = {"target": {"backend": {"source": {"repo": repo}}}}
    panel.migrate_and_watch()
    panel.install("mail")
    done = panel.refitd("once", "--json")
    assert done.returncode == 0, done.stderr
    assert panel.built_in() == ["billing", "mail"]
    assert panel.deployments()[0]["commit"] == panel.repository.head()


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


#: By its place: as a build argument, in the container's environment, in a git URL.
BUILD_ARGUMENT, ENVIRONMENT, GIT_TOKEN = "b-0123456789", "e-0123456789", "glpat-0123456789"


def test_no_secret_is_written_down(panel: Panel) -> None:
    """The DSN's password, a git URL's token, a build argument, the container's environment: through
    a remote that fails, a rebuild, a restart, a failed build and a failed proof none of them is in
    a log, a row, a label, a metric, a file or an answer."""
    secrets = {BUILD_ARGUMENT, ENVIRONMENT, GIT_TOKEN, str(conninfo_to_dict(panel.dsn)["password"])}
    panel.container().remove(force=True)
    panel.start_backend(environment={"PANEL_LICENCE": ENVIRONMENT, "API_TOKEN": ENVIRONMENT})
    args = {"NPM_TOKEN": BUILD_ARGUMENT, "LICENCE": BUILD_ARGUMENT}
    panel.settings = {
        "metrics_port": ports.free_port(),
        "target": {"backend": {"build": {"args": args}}},
    }
    panel.migrate_and_watch()
    told = [with_a_token_in_its_url(panel)]
    with panel.daemon() as daemon:
        daemon.wait_for("deployment.ended", result="succeeded")
        panel.switch("mail", on=False)
        daemon.wait_for("deployment.ended", action="restart", result="succeeded")
        for module, result in (("broken-build", "failed"), ("never-healthy", "rolled_back")):
            panel.install(module)
            ended = daemon.wait_for("deployment.ended")
            assert ended["result"] == result, daemon.story()
            told += answers(panel, "logs", str(ended["deployment"]))
            panel.uninstall(module)
            daemon.wait_for("target.looked", reason="in step")
        for words in ("status", "history", "plan", "doctor"):
            told += answers(panel, words)
        url = f"http://127.0.0.1:{panel.settings['metrics_port']}/metrics"
        with urllib.request.urlopen(url, timeout=5) as answer:
            told.append(answer.read().decode())
        told += [json.dumps(event) for event in daemon.events]
    told += [*rows(panel), *labels_of(panel)]
    told += [path.read_text() for path in (panel.folder / "state").rglob("*") if path.is_file()]
    text = "\n".join(told)
    for proof in ("127.0.0.1", "billing,mail", "refitd_looks_total", "broken_build", "rolled_back"):
        assert proof in text
    assert {each for each in secrets if each in text} == set()


def with_a_token_in_its_url(panel: Panel) -> str:
    """What is said of a remote that nobody answers at, with a login in its URL."""
    repo = f"http://bot:{GIT_TOKEN}@127.0.0.1:{ports.free_port()}/core.git"
    own = panel.settings
    source = {"backend": {"source": {"repo": repo, "insecure": True}}}
    panel.settings = merged(own, {"target": source})
    panel.install("mail")
    told = [done.stdout + done.stderr for done in (panel.refitd("once"), panel.refitd("doctor"))]
    assert panel.deployments()[-1]["state"] == "failed"
    panel.settings = own
    panel.sql("insert into refitd.request (target, kind) values ('backend', 'retry')")
    return "\n".join(told)


def answers(panel: Panel, *words: str) -> list[str]:
    """What a command says, to people and to machines."""
    said = [panel.refitd(*words), panel.refitd(*words, "--json")]
    return [done.stdout + done.stderr for done in said]


def rows(panel: Panel) -> list[str]:
    """Every row of the schema."""
    tables = panel.sql("select relname from pg_class where relnamespace = 'refitd'::regnamespace"
                       " and relkind in ('r', 'v')")  # fmt: skip
    names = [table["relname"] for table in tables]
    assert {"deployment", "build_log", "quarantine", "record", "status"} <= set(names)
    found = [panel.sql(f"select * from refitd.{name}") for name in names]  # noqa: S608 - its own
    return [json.dumps(each, default=str) for each in found]


def labels_of(panel: Panel) -> list[str]:
    """Those of each container and image that bears our name."""
    images = [
        each for each in panel.client.images.list() if any(panel.name in t for t in each.tags)
    ]
    assert len(images) > 1
    labelled = [each.labels for each in panel.containers()] + [each.labels for each in images]
    return [json.dumps(each) for each in labelled]
