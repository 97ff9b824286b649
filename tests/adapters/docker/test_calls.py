"""What only a real engine shows: commands inside, versions, volumes, half-made containers."""

from __future__ import annotations

import time
from collections.abc import Callable

from refitd.adapters.docker_engine import TIMED_OUT
from tests.adapters.docker.conftest import DockerYard
from tests.contracts.engine import create, get, run, volumes


def test_command(yard: DockerYard) -> None:
    """A command's exit code and both its outputs come back."""
    code, output = yard.engine.run_command(
        run(yard, "web"), ["sh", "-c", "echo out; echo err >&2; exit 3"], 10
    )
    assert code == 3
    assert sorted(output.split()) == ["err", "out"]


def test_command_that_does_not_end(yard: DockerYard) -> None:
    """Neither a silent nor a talkative command is waited for beyond its time."""
    id_ = run(yard, "web")
    for line in ("echo begun; sleep 1000", "while :; do echo again; sleep 0.1; done"):
        began = time.monotonic()
        code, output = yard.engine.run_command(id_, ["sh", "-c", line], 1.5)
        assert code == TIMED_OUT
        assert "did not end within 1.5 s" in output
        assert time.monotonic() - began < 10


def test_what_a_policy_starts_is_counted_and_a_restart_begins_anew(
    yard: DockerYard, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    """Both begin another life; by the count it is told which of the two it was."""
    falls_once = "test -e /opt/was && exec sleep 1000; touch /opt/was; exit 3"
    again = {"RestartPolicy": {"Name": "unless-stopped"}}
    command = ["sh", "-c", falls_once]
    id_ = run(yard, "web", Entrypoint=[], Cmd=command, HostConfig=again, StopTimeout=0)
    eventually(lambda: get(yard, id_).restart_count == 1 and get(yard, id_).runs)
    counted = get(yard, id_)
    yard.engine.restart(id_)
    after = get(yard, id_)
    assert (counted.restart_count, after.restart_count) == (1, 0)
    assert after.started_at != counted.started_at


def test_stop_waits_as_long_as_the_container_takes(yard: DockerYard) -> None:
    """A stop goes by the container's own timeout, and answers when it is over."""
    deaf = ["sh", "-c", "trap '' TERM; while :; do sleep 1; done"]
    id_ = run(yard, "web", Entrypoint=[], Cmd=deaf, StopSignal="SIGTERM", StopTimeout=2)
    began = time.monotonic()
    yard.engine.stop(id_)
    assert time.monotonic() - began >= 2
    assert get(yard, id_).state == "exited"


def test_volumes_carried_by_name_survive_removal(yard: DockerYard) -> None:
    """A removal with anonymous volumes takes only those that the container made itself."""
    id_ = create(yard, "web")
    (name,) = volumes(get(yard, id_)).values()
    mount = {"Type": "volume", "Source": name, "Target": "/data"}
    other = create(yard, "other", HostConfig={"Mounts": [mount]})
    yard.engine.remove(other, anonymous_volumes=True)
    third = create(yard, "third", HostConfig={"Mounts": [mount]})
    assert volumes(get(yard, third)) == {"/data": name}
    yard.engine.start(id_)
    assert yard.engine.run_command(id_, ["ls", "-d", "/data"], 5) == (0, "/data")


def test_logs_and_files(yard: DockerYard) -> None:
    """The end of a container's output, and the files it wrote into its own layer."""
    id_ = run(yard, "web", Cmd=["sh", "-c", "for n in 1 2 3; do echo line $n; done; sleep 1000"])
    yard.engine.run_command(id_, ["touch", "/opt/here"], 5)
    assert yard.engine.logs(id_, lines=2).split("\n")[:2] == ["line 2", "line 3"]
    assert "/opt/here" in yard.engine.changed_files(id_)


def test_info(yard: DockerYard) -> None:
    """The engine has an id, and a version that was negotiated."""
    info = yard.engine.info()
    assert info.id
    assert info.api_version >= (1, 41)
    assert info.root_dir
