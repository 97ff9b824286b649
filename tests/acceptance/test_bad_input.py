"""Bad input, each kind with a clear error that names the thing, and nothing touched."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from tests.acceptance.panel import Panel, until

BAD_IDS = ("with,comma", "with space", 'with"quote', "line\nfeed", "$(reboot)", "-dash-first")


def state_of(panel: Panel) -> tuple[Any, ...]:
    """What must be as it was: the container, its start, the tag."""
    container = panel.container()
    tagged = panel.client.images.get(panel.image).id
    return container.id, container.attrs["State"]["StartedAt"], container.name, tagged


def once_fails(panel: Panel) -> subprocess.CompletedProcess[str]:
    """`refitd once`, which must fail and leave everything as it was."""
    before = state_of(panel)
    done = panel.refitd("once", "--json")
    assert done.returncode != 0, done.stdout
    assert state_of(panel) == before
    assert [each.name for each in panel.containers()] == [panel.container_name]
    return done


def cause(panel: Panel) -> str:
    """What the last deployment's row says."""
    row = panel.deployments()[-1]
    assert row["state"] == "failed"
    return str(row["error"])


def test_bad_module_ids_are_refused_by_name_and_the_others_go_ahead(panel: Panel) -> None:
    """Six bad ids and a bad version are named in log and status; the good row is built in."""
    panel.migrate_and_watch()
    panel.sql("select refitd.unwatch('public.modules')")
    panel.sql("select refitd.watch('public.modules', version => 'version')")
    with panel.daemon() as daemon:
        daemon.wait_for("target.adopted")
        panel.install(*BAD_IDS)
        panel.sql("insert into modules (id, version, has_backend) values ('search', '1;ls', true)")
        panel.install("mail")
        ended = daemon.wait_for("deployment.ended")
        assert (ended["result"], ended["modules"]) == ("succeeded", ["billing", "mail"])
        looked = daemon.wait_for("target.looked", decision="nothing")
        problem = panel.sql("select * from refitd.status")[0]["detail"]
    assert panel.built_in() == ["billing", "mail"]
    for bad in (*BAD_IDS, "1;ls"):
        assert any(repr(bad) in reason for reason in looked["refused"]), bad
        assert repr(bad) in problem


@pytest.mark.parametrize(
    "url", ["file:///srv/core.git", "ftp://git.example.org/core.git", "ext::sh"]
)
def test_a_git_url_of_another_scheme_is_refused_at_start(panel: Panel, url: str) -> None:
    """Only https, http, ssh and git; said before anything is looked at, with the key's name."""
    panel.migrate_and_watch()
    panel.settings = {"target": {"backend": {"source": {"repo": url}}}}
    done = once_fails(panel)
    assert done.returncode == 2
    assert "source" in done.stderr
    assert "https" in done.stderr


def test_plain_protocols_beyond_loopback_need_insecure(panel: Panel) -> None:
    """`git://` to another machine is refused, and the way out is named."""
    panel.migrate_and_watch()
    panel.settings = {"target": {"backend": {"source": {"repo": "git://git.example.org/core.git"}}}}
    assert "insecure" in once_fails(panel).stderr


def test_a_missing_branch_is_named(panel: Panel) -> None:
    """The deployment fails with the branch's name, before anything is built."""
    panel.migrate_and_watch()
    panel.install("mail")
    panel.settings = {"target": {"backend": {"source": {"branch": "nowhere"}}}}
    once_fails(panel)
    assert "nowhere" in cause(panel)


def test_a_missing_subdir_is_named(panel: Panel) -> None:
    """The same for a folder that the repository does not have."""
    panel.migrate_and_watch()
    panel.install("mail")
    panel.settings = {"target": {"backend": {"source": {"subdir": "nowhere"}}}}
    once_fails(panel)
    assert "nowhere" in cause(panel)
    assert "no folder 'nowhere' in branch 'main'" in ill(panel)["source of backend"]["detail"]


def test_a_container_named_by_its_id_is_refused(panel: Panel) -> None:
    """`once`, `plan` and `doctor` name what to write instead, and the container keeps its name."""
    panel.migrate_and_watch()
    panel.install("mail")
    panel.settings = {"target": {"backend": {"container": panel.container().id}}}
    written = f'container = "{panel.container_name}"'
    assert written in json.loads(once_fails(panel).stdout)[0]["error"]
    assert written in json.loads(panel.refitd("plan", "--json").stdout)[0]["reason"]
    assert written in ill(panel)["container of backend"]["detail"]
    assert panel.deployments() == []
    panel.settings = {}
    assert panel.refitd("once").returncode == 0
    assert panel.built_in() == ["billing", "mail"]


def ill(panel: Panel) -> dict[str, Any]:
    """What doctor finds wrong, by the names of its findings."""
    done = panel.refitd("doctor", "--json")
    assert done.returncode == 1
    return {each["name"]: each for each in json.loads(done.stdout) if not each["ok"]}


def test_a_slip_in_a_version_uninstalls_nothing(panel: Panel) -> None:
    """What runs stays in its version, and status and exit code say what to correct."""
    assert panel.refitd("migrate").returncode == 0
    panel.sql("select refitd.watch('public.modules', version => 'version')")
    panel.sql("insert into modules (id, version, has_backend) values ('mail', '1.0', true)")
    assert panel.refitd("once").returncode == 0
    image = panel.image_id()
    panel.sql("update modules set version = '1.1 beta' where id = 'mail'")
    with panel.daemon() as daemon:
        daemon.wait_for("target.looked", decision="nothing")
        (row,) = json.loads(panel.refitd("status", "--json").stdout)
        assert "version '1.1 beta' of module 'mail' is refused" in row["detail"]
        assert "mail@1.0 stays built in until it is corrected" in row["detail"]
        assert panel.image_id() == image
        panel.install("search")
        ended = daemon.wait_for("deployment.ended", result="succeeded")
        assert ended["modules"] == ["billing", "mail@1.0", "search"]


def test_a_container_that_does_not_exist_is_waited_for(panel: Panel) -> None:
    """It is said in the status, nothing is invented; once it is started, it is taken up."""
    panel.migrate_and_watch()
    panel.container().remove(force=True)
    panel.install("mail")
    done = panel.refitd("once", "--json")
    assert done.returncode == 1
    assert panel.container_name in json.loads(done.stdout)[0]["error"]
    assert panel.containers() == []
    with panel.daemon() as daemon:
        daemon.wait_for("target.looked", decision="nothing")
        status = panel.sql("select condition, detail from refitd.status")[0]
        assert status["condition"] == "missing"
        assert panel.container_name in status["detail"]
        panel.start_backend()
        daemon.wait_for("deployment.ended", result="succeeded")
        assert panel.built_in() == ["billing", "mail"]


def test_two_targets_with_one_container_are_refused(panel: Panel) -> None:
    """Both names are said, and nothing is begun."""
    panel.migrate_and_watch()
    other = {
        "container": panel.container_name,
        "image": "other:latest",
        "source": {"repo": panel.repository.url},
    }
    panel.settings = {"target": {"other": other}}
    done = once_fails(panel)
    assert done.returncode == 2
    assert panel.container_name in done.stderr


def test_an_engine_that_is_not_there_is_named_and_waited_for(panel: Panel) -> None:
    """`once` fails naming the socket; `doctor` says how to mend it; nothing is lost."""
    panel.migrate_and_watch()
    panel.install("mail")
    there, panel.docker_host = panel.docker_host, f"unix://{panel.folder}/none.sock"
    done = once_fails(panel)
    assert "none.sock" in done.stderr
    assert "Traceback" not in done.stderr
    examined = panel.refitd("doctor")
    assert examined.returncode == 1
    assert "none.sock" in examined.stdout + examined.stderr
    panel.docker_host = there
    assert panel.refitd("once").returncode == 0
    assert panel.built_in() == ["billing", "mail"]


def test_a_table_that_lost_a_mapped_column_is_named(panel: Panel) -> None:
    """`watch` refuses a table without it; a column dropped later is named, and writers go on."""
    panel.migrate_and_watch()
    with pytest.raises(Exception, match="no_such_column"):
        panel.sql("select refitd.watch('public.modules', version => 'no_such_column')")
    assert panel.refitd("once").returncode == 0
    panel.sql("alter table modules rename column enabled to switched_on")
    panel.sql("insert into modules (id, has_backend) values ('mail', true)")
    done = once_fails(panel)
    assert "enabled" in done.stderr
    assert "watch" in done.stderr
    panel.sql("alter table modules rename column switched_on to enabled")
    assert panel.refitd("once").returncode == 0
    assert panel.built_in() == ["billing", "mail"]


def test_an_unwatched_target_says_what_to_run(panel: Panel) -> None:
    """Without `refitd.watch` nothing is done, and the call that is missing is said."""
    assert panel.refitd("migrate").returncode == 0
    done = once_fails(panel)
    assert "refitd.watch(" in done.stdout
    call = "SELECT refitd.watch('public.modules', target => 'backend')"
    assert [finding["remedy"] for finding in ill(panel).values()] == [call]
    (row,) = json.loads(panel.refitd("status", "--json").stdout)
    assert row["condition"] == "unwatched"
    assert call in row["detail"]


def test_a_database_without_the_schema_says_migrate(panel: Panel) -> None:
    """The first thing a newcomer forgets."""
    assert "refitd migrate" in once_fails(panel).stderr


def test_a_second_daemon_on_the_same_state_folder_is_refused(panel: Panel) -> None:
    """Two would both believe to hold the lease."""
    panel.migrate_and_watch()
    with panel.daemon():
        done = once_fails(panel)
        assert done.returncode == 2
        assert "state_dir" in done.stderr


def test_two_daemons_on_one_database_one_acts(panel: Panel) -> None:
    """The second waits for the lease, and takes over as soon as the first has given it up."""
    panel.migrate_and_watch()
    with panel.daemon() as first:
        first.wait_for("lease.taken")
        panel.settings = {"state_dir": str(panel.folder / "other-state")}
        with panel.daemon() as second:
            panel.install("mail")
            first.wait_for("deployment.ended", result="succeeded")
            assert not second.said("deployment.opened")
            assert first.end() == 0
            second.wait_for("lease.taken")
            panel.install("search")
            second.wait_for("deployment.ended", result="succeeded")
            until(lambda: panel.built_in() == panel.wanted(), "the second one acted")
