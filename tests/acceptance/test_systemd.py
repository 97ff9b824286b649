"""The unit of the wheel, as its own comment says to install it, under a real systemd."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import docker
import pytest

from rig.engine import Engine
from rig.git import GitServer
from rig.postgres import Postgres
from rig.wheels import project_wheel
from tests.acceptance import images
from tests.acceptance.machine import SOCKET, Machine
from tests.acceptance.panel import Panel, until

pytestmark = pytest.mark.timeout(900)  # the first one waits for the machine to be built


@pytest.fixture(scope="module")
def git_server(engine: Engine) -> Iterator[GitServer]:
    """One that the machine reaches as the engine does: at the bridge."""
    with GitServer(host=engine.gateway()) as server:
        yield server


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """A cluster of this module's own, since it is stopped now and then."""
    with Postgres(listen="*") as cluster:
        yield cluster


@pytest.fixture(scope="module")
def machine_image(
    engine: Engine,
    docker_client: docker.DockerClient,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """Debian with systemd, and refitd from its wheel."""
    context = tmp_path_factory.mktemp("machine") / "context"
    shutil.copytree(images.STAND_INS / "systemd", context)
    project_wheel(images.ROOT, images.wheels(context / "wheels"))
    tag = images.build(
        docker_client,
        "refitd-rig/machine:latest",
        context,
        BASE=images.servers_image(docker_client),
        DOCKER_GID=str(engine.socket.stat().st_gid),
    )
    yield tag
    docker_client.images.remove(tag)


@pytest.fixture
def machine(
    engine: Engine, docker_client: docker.DockerClient, machine_image: str, panel: Panel
) -> Iterator[Machine]:
    """A machine whose refitd is set up for the panel, and not started."""
    insecure = {"target": {"backend": {"source": {"insecure": True}}}}
    panel.settings = insecure
    panel.migrate_and_watch()
    panel.settings = insecure | {
        "dsn": panel.inner_dsn,
        "docker_host": f"unix://{SOCKET}",
        "state_dir": None,
    }
    config = panel.config()
    config.chmod(0o644)
    with Machine(docker_client, machine_image, engine.socket, config) as machine:
        yield machine


def active(machine: Machine) -> bool:
    """Whether systemd was told READY=1."""
    return machine.shown("ActiveState") == "active"


def test_ready_when_it_listens_and_not_before(machine: Machine, postgres: Postgres) -> None:
    """Without Postgres the unit is `activating`; `active` comes with the LISTEN, status and all."""
    postgres.stop()
    try:
        machine.systemctl("start", "--no-block")
        until(lambda: bool(machine.events("listener.cut_off")), "it misses Postgres")
        assert machine.shown("ActiveState") == "activating"
        assert "cut off from Postgres" in machine.shown("StatusText")
    finally:
        postgres.start()
    until(lambda: active(machine), "the unit is active")
    assert machine.events("daemon.ready")
    assert machine.shown("NRestarts") == "0"
    until(lambda: machine.shown("StatusText") == "listening; backend", "the status says so")


def test_a_row_written_is_built_in(machine: Machine, panel: Panel) -> None:
    """Inside the sandbox: rows written, a rebuild done, the backend is the table; clean stop."""
    machine.systemctl("start")
    panel.sql("insert into modules (id, has_backend) values ('search', true), ('audit', true)")
    until(lambda: bool(machine.events("deployment.ended")), "a deployment ended")
    (ended,) = machine.events("deployment.ended")
    assert (ended["action"], ended["result"]) == ("rebuild", "succeeded"), machine.journal()
    assert panel.built_in() == panel.wanted() == ["audit", "billing", "search"]

    machine.systemctl("stop")
    assert (machine.shown("Result"), machine.shown("ExecMainStatus")) == ("success", "0")
    assert machine.events("daemon.stopped")
    (lease,) = panel.sql("select expires_at <= clock_timestamp() as free from refitd.lease")
    assert lease["free"], "the lease was given up"
    assert panel.healthy()


def test_the_sandbox_holds(machine: Machine) -> None:
    """The process has no rights and no new ones, and can write nowhere but in its own folders.

    (Two keys of the unit are newer than Debian 12's systemd, which says so and goes on.)
    """
    machine.systemctl("start")
    assert [line for line in machine.verify() if "Restart" not in line] == []
    pid = machine.shown("MainPID")
    status = dict(
        line.split(":\t", 1) for line in machine.run("cat", f"/proc/{pid}/status").splitlines()
    )
    user = machine.run("id", "--user", "refitd").strip()
    assert set(status["Uid"].split()) == {user} != {"0"}
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert {status[caps] for caps in ("CapEff", "CapPrm", "CapBnd", "CapAmb")} == {"0" * 16}
    mounts = [line.split() for line in machine.run("cat", f"/proc/{pid}/mounts").splitlines()]
    modes = {mount[1]: mount[3].split(",")[0] for mount in mounts}
    assert modes["/"] == "ro"
    assert modes["/var/lib/refitd"] == "rw"
    assert machine.shown("ProtectSystem") == "strict"
    assert machine.shown("MemoryDenyWriteExecute") == "yes"
    assert machine.shown("WatchdogUSec") == "1min"
    assert machine.run("stat", "--format=%U %a", "/var/lib/refitd").strip() == "refitd 700"


def test_a_killed_daemon_comes_back(machine: Machine, panel: Panel) -> None:
    """After SIGKILL systemd starts it anew, and it takes up what was written meanwhile."""
    machine.systemctl("start")
    until(lambda: bool(machine.events("target.adopted")), "the target is known")
    machine.systemctl("kill", "--kill-who=main", "--signal=KILL")
    panel.install("search")
    until(lambda: bool(machine.events("deployment.ended")), "a deployment ended")
    assert machine.shown("NRestarts") == "1"
    assert active(machine)
    assert panel.built_in() == panel.wanted()


def test_a_daemon_that_hangs_is_replaced(machine: Machine) -> None:
    """The watchdog is fed while all goes well; a daemon that is stopped in its tracks is ended."""
    machine.drop_in("[Service]\nWatchdogSec=2s\nTimeoutAbortSec=1s")
    machine.systemctl("start")
    fed = machine.shown("WatchdogTimestampMonotonic")
    until(lambda: machine.shown("WatchdogTimestampMonotonic") != fed, "the watchdog is fed")
    machine.systemctl("kill", "--kill-who=main", "--signal=STOP")
    until(lambda: machine.shown("NRestarts") == "1" and active(machine), "it is back")
    assert "Watchdog timeout" in machine.journal()
