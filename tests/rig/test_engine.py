"""The engine of the rig builds, runs and connects, and a private one leaves no trace."""

import os
import select
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from importlib.metadata import version
from ipaddress import IPv4Network
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
        _is_refused_to_all_but_root()
        return
    with _python(_HANGS) as user:
        keeper, host, block = _line(user).split()
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


_STARTS = """
import sys
from itertools import count
from rig import network
from rig.dockerd import private_dockerd
network._numbers = count(7)
print("ready", flush=True)
sys.stdin.readline()
with private_dockerd() as dockerd:
    print(dockerd.block.network, flush=True)
    sys.stdin.readline()
"""


@pytest.mark.engine
def test_two_that_start_at_once_have_addresses_of_their_own() -> None:
    """Also where both would have begun to look at the same block."""
    if os.geteuid() != 0:
        _is_refused_to_all_but_root()
        return
    with ExitStack() as stack:
        starting = [stack.enter_context(_python(_STARTS)) for _ in range(2)]
        assert [_line(each) for each in starting] == ["ready", "ready"]
        for each in starting:
            _say(each, "start")
        first, second = (_line(each) for each in starting)
        for each in starting:
            _say(each, "end")

    assert first != second
    assert not IPv4Network(first).overlaps(IPv4Network(second))


def _is_refused_to_all_but_root() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rig.engine.answers", lambda _host: False)
        patch.delenv("DOCKER_HOST", raising=False)
        with pytest.raises(MissingPart, match="run this as root"), Engine():
            pass


def _python(script: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": str(DEMO)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _say(process: "subprocess.Popen[str]", word: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{word}\n")
    process.stdin.flush()


def _line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


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
