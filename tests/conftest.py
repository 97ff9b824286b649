"""The real parts that tests run on, each there once for all of them.

A test says by its arguments what it needs, and is marked by that: `engine` and `postgres` are real
ones, never stand-ins. No test is skipped for the lack of one: it fails, and the message says how
to get the part (see `rig`).
"""

import shlex
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import docker
import pytest
from hypothesis import settings

from rig.base_image import ensure_base
from rig.engine import Engine
from rig.git import GitServer, Repository
from rig.postgres import Clusters, Postgres
from rig.sshd import SshServer
from tests.acceptance.panel import LAYERS

# Two cores build images beside the examples: none of these has a time limit of its own.
settings.register_profile("refitd", deadline=None)
settings.load_profile("refitd")


# A shell starts its background jobs with SIGINT ignored, and so would be all that they start. Some
# tests interrupt what they started.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# -- Parts -------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def engine(pytestconfig: pytest.Config) -> Iterator[Engine]:
    """A Docker engine: the one of this machine, else a private one."""
    engine = Engine()
    with _terminal(pytestconfig):
        engine.__enter__()
    try:
        yield engine
    finally:
        engine.__exit__()


@pytest.fixture(scope="session")
def docker_client(engine: Engine) -> docker.DockerClient:
    """A client of the engine."""
    return engine.client()


@pytest.fixture(scope="session")
def base_image(
    engine: Engine, docker_client: docker.DockerClient, pytestconfig: pytest.Config
) -> Iterator[str]:
    """The tag of an image with Python, to build upon."""
    with _terminal(pytestconfig):
        tag = ensure_base(docker_client)
    yield tag
    if not engine.private:
        docker_client.images.remove(tag)
        for layers in docker_client.images.list(name=LAYERS):
            for each in layers.tags:
                docker_client.images.remove(each)


@pytest.fixture(scope="session")
def docker_compose_command(engine: Engine) -> str:
    """The compose of the lock, for pytest-docker, at the engine of the rig."""
    compose = Path(sys.executable).with_name("docker-compose")
    return f"env DOCKER_HOST={shlex.quote(engine.host)} {shlex.quote(str(compose))}"


@pytest.fixture(scope="session")
def clusters() -> Iterator[Clusters]:
    """Clusters of all versions, each begun when it is first asked for."""
    with Clusters(listen="*") as clusters:
        yield clusters


def pytest_addoption(parser: pytest.Parser) -> None:
    """Tests that do not ask for a version of Postgres take the newest, or this one."""
    parser.addoption("--postgres", choices=(18, 15), default=18, type=int, help="version")


@pytest.fixture(scope="session")
def postgres(clusters: Clusters, pytestconfig: pytest.Config) -> Postgres:
    """A cluster, which containers reach by `postgres.dsn(name, host=engine.gateway())`."""
    return clusters.of(pytestconfig.getoption("--postgres"))


@pytest.fixture
def database(postgres: Postgres) -> Iterator[str]:
    """The DSN of an empty database that is this test's alone."""
    name = postgres.create_database()
    yield postgres.dsn(name)
    postgres.drop_database(name)


@pytest.fixture(scope="session")
def git_server() -> Iterator[GitServer]:
    """A git server at a loopback address, which the engine reaches as well."""
    with GitServer() as server:
        yield server


@pytest.fixture(scope="session")
def ssh_server(pytestconfig: pytest.Config) -> Iterator[SshServer]:
    """An SSH server at a loopback address, by which repositories are reached as well."""
    server = SshServer()
    with _terminal(pytestconfig):
        server.__enter__()
    try:
        yield server
    finally:
        server.__exit__()


@pytest.fixture(scope="session")
def _repository_numbers() -> Iterator[int]:
    return count(1)


@pytest.fixture
def repository(git_server: GitServer, _repository_numbers: Iterator[int]) -> Repository:
    """An empty repository that is this test's alone."""
    return git_server.repository(f"core-{next(_repository_numbers)}")


@contextmanager
def _terminal(config: pytest.Config) -> Iterator[None]:
    """What is fetched is said first, and asked where a terminal can answer: not into a capture."""
    capture = config.pluginmanager.getplugin("capturemanager")
    assert capture is not None
    capture.suspend_global_capture(in_=True)
    try:
        yield
    finally:
        capture.resume_global_capture()


# -- How many ran on real parts ----------------------------------------------------------------

_REAL = {"engine": "a real engine", "postgres": "a real Postgres"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks each test with the real parts that it asks for, itself or by a fixture.

    Those on the engine come first, because they take longest. Where several workers share the
    tests, each has an engine of its own, and what a file's tests share is there once.
    """
    for item in items:
        for part in sorted(_REAL.keys() & set(getattr(item, "fixturenames", ()))):
            item.add_marker(part)
        real = [mark.name for mark in item.iter_markers() if mark.name in _REAL]
        item.user_properties.append(("real", real))


@pytest.hookimpl(specname="pytest_collection_modifyitems", trylast=True)
def pytest_engine_first(items: list[pytest.Item]) -> None:
    """After whoever else sorts them."""
    items.sort(key=lambda item: item.get_closest_marker("engine") is None)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says how many tests ran, and how many of these on real parts."""
    ran = {
        report.nodeid: dict(report.user_properties).get("real", ())
        for outcome in ("passed", "failed")
        for report in terminalreporter.getreports(outcome)
        if report.when == "call"
    }
    on = Counter(part for parts in ran.values() for part in parts)
    parts = ", ".join(f"{on[part]} against {name}" for part, name in _REAL.items())
    terminalreporter.write_line(f"{len(ran)} tests ran, of these {parts}")
