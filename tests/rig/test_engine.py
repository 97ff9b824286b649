"""The engine of the rig builds, runs and connects, and a private one leaves no trace."""

import os
import select
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import docker
import pytest
from docker.types import IPAMConfig, IPAMPool

import rig
from rig.engine import Engine
from rig.git import Repository
from rig.missing import MissingPart
from rig.ports import free_port
from rig.postgres import Postgres
from rig.wheels import wheelhouse

DEMO = Path(rig.__file__).parent.parent

_PSYCOPG = f"psycopg[binary]=={version('psycopg')}"

_DOCKERFILE = """
ARG BASE
FROM ${BASE}
WORKDIR /app
COPY . .
RUN for wheel in wheels/*.whl; do python3 -m zipfile -e "$wheel" .; done
CMD ["python3", "ask.py"]
"""

_ASK = """
import os, psycopg
with psycopg.connect(os.environ["DSN"]) as connection:
    print(connection.execute("SELECT 6 * 7").fetchone()[0])
"""


def test_a_container_asks_postgres(
    docker_client: docker.DockerClient,
    engine: Engine,
    base_image: str,
    repository: Repository,
    postgres: Postgres,
) -> None:
    """An image built from a commit on the git server, with wheels, reaches Postgres outside."""
    repository.commit_folder(wheelhouse([_PSYCOPG]), at="backend/wheels")
    commit = repository.commit({"backend/Dockerfile": _DOCKERFILE, "backend/ask.py": _ASK})
    repository.commit({"backend/Dockerfile": "FROM no-longer-this-one\n"})

    image, _ = docker_client.images.build(
        path=f"{repository.url}#{commit}:backend", buildargs={"BASE": base_image}, rm=True
    )
    dsn = postgres.dsn(host=engine.gateway())
    said = docker_client.containers.run(image, environment={"DSN": dsn}, remove=True)
    docker_client.images.remove(str(image.id), force=True)

    assert said == b"42\n"


def test_a_published_port_is_reached(docker_client: docker.DockerClient, base_image: str) -> None:
    """What a container serves on a published port, this machine gets."""
    port = free_port()
    container = docker_client.containers.run(
        base_image,
        ["python3", "-m", "http.server", "80"],
        ports={"80/tcp": ("127.0.0.1", port)},
        detach=True,
    )
    try:
        assert _served(port)
    finally:
        container.remove(force=True)


def _served(port: int) -> bool:
    # The engine's proxy accepts before the container listens, and then hangs up.
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as response:
                return bool(response.status == 200)
        except OSError:
            time.sleep(0.05)
    return False


def test_containers_meet_by_name_and_address(
    docker_client: docker.DockerClient, engine: Engine, base_image: str
) -> None:
    """On a network with a subnet of our choice, one container finds the other by its name."""
    pool = IPAMPool(subnet=engine.subnet())
    network = docker_client.networks.create("rig-meeting", ipam=IPAMConfig(pool_configs=[pool]))
    server = docker_client.containers.run(
        base_image,
        ["python3", "-m", "http.server", "80"],
        name="rig-server",
        network=network.name,
        detach=True,
    )
    try:
        said = docker_client.containers.run(
            base_image, ["python3", "-c", _FIND], network=network.name, remove=True
        )
        assert said == b"200\n"
    finally:
        server.remove(force=True)
        network.remove()


_FIND = """
import time, urllib.request
for _ in range(50):
    try:
        print(urllib.request.urlopen("http://rig-server/", timeout=5).status)
        break
    except OSError:
        time.sleep(0.1)
"""

_HANGS = """
import time
from rig.dockerd import private_dockerd
with private_dockerd() as dockerd:
    client = __import__("docker").DockerClient(dockerd.host)
    client.networks.create("left-behind")
    print(dockerd.child._keeper.pid, dockerd.host, dockerd.block.network, flush=True)
    time.sleep(1000)
"""


@pytest.mark.engine
def test_a_private_engine_leaves_no_trace() -> None:
    """Killed together with its user, it leaves no process, folder, mount, bridge or rule."""
    if os.geteuid() != 0:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("rig.engine.answers", lambda _host: False)
            patch.delenv("DOCKER_HOST", raising=False)
            with pytest.raises(MissingPart, match="run this as root"), Engine():
                pass
        return
    with subprocess.Popen(
        [sys.executable, "-c", _HANGS],
        env=os.environ | {"PYTHONPATH": str(DEMO)},
        stdout=subprocess.PIPE,
        text=True,
    ) as user:
        assert user.stdout is not None
        keeper, host, block = user.stdout.readline().split()
        kept = os.pidfd_open(int(keeper))
        user.kill()
    assert select.select([kept], [], [], 60)[0], "the keeper is still at it"
    os.close(kept)

    folder = Path(host.removeprefix("unix://")).parent
    assert not folder.exists()
    assert str(folder) not in Path("/proc/self/mountinfo").read_text()
    assert block not in _output("iptables", "-S", "FORWARD")
    assert _output("ip", "-4", "address", "show", "to", block) == ""
    assert not [pid for pid, words in _command_lines() if str(folder) in words]


def _command_lines() -> Iterator[tuple[str, str]]:
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            yield process.name, (process / "cmdline").read_text(errors="replace")


def _output(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def test_an_engine_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """DOCKER_HOST is taken at its word: no other engine is started behind its back."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///no/such.sock")
    with pytest.raises(MissingPart, match=r"unix:///no/such\.sock"), Engine():
        pass
