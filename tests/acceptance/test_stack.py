"""compose.yaml as it stands: Postgres, refitd, the backend behind nginx, and a git server."""

from __future__ import annotations

import json
import secrets
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, LiteralString

import docker
import psycopg
import pytest
from docker.models.containers import Container
from psycopg.rows import DictRow, dict_row
from pytest_docker.plugin import Services

from rig import ports
from rig.engine import Engine
from tests.acceptance import images
from tests.acceptance.traffic import Traffic

PATIENCE_S = 120.0

# The first one waits for all images to be built. Its Postgres is a real one, in a container.
pytestmark = [pytest.mark.timeout(900), pytest.mark.postgres]


# -- The stack, by pytest-docker ---------------------------------------------------------------


@pytest.fixture(scope="session")
def docker_compose_project_name() -> str:
    """A name of this run's own: networks and volumes bear it."""
    return f"refitd-stack-{secrets.token_hex(3)}"


@pytest.fixture(scope="session")
def stack_settings(
    engine: Engine,
    docker_client: docker.DockerClient,
    base_image: str,
    docker_compose_project_name: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, str]]:
    """What compose.yaml lets one set: stand-ins for its images, and ports that are free."""
    project, client = docker_compose_project_name, docker_client
    context = images.build_context(tmp_path_factory.mktemp("context"))
    servers = images.servers_image(client)
    compose = "examples/compose"
    backend = f"{project}/backend:latest"
    yield {
        "DOCKER_SOCKET": str(engine.socket),
        "PYTHON_IMAGE": base_image,
        "REFITD_IMAGE": images.build(
            client, f"{project}/refitd", context, BASE=base_image, PACKAGES=""
        ),
        "BACKEND_IMAGE": images.build(
            client, backend, context, f"{compose}/backend.Dockerfile", BASE=base_image
        ),
        "GIT_IMAGE": images.build(
            client, f"{project}/git", context, f"{compose}/git.Dockerfile", BASE=servers
        ),
        "POSTGRES_IMAGE": images.build(
            client, f"{project}/postgres", images.STAND_INS / "postgres", BASE=servers
        ),
        "NGINX_IMAGE": images.build(
            client, f"{project}/nginx", images.STAND_INS / "nginx", BASE=servers
        ),
        "BACKEND_CONTAINER": f"{project}-panel-backend",
        "PROXY_PORT": f"127.0.0.1:{ports.free_port()}",
        "POSTGRES_PORT": str(ports.free_port()),
        "GIT_PORT": str(ports.free_port()),
        "POSTGRES_PASSWORD": secrets.token_hex(8),
        "REFITD_PASSWORD": secrets.token_hex(8),
    }
    for image in client.images.list():
        for tag in image.tags:
            if tag.startswith(f"{project}/"):
                client.images.remove(tag)


@pytest.fixture(scope="session")
def docker_compose_file() -> str:
    """The one at the top, with nothing put over it."""
    return str(images.ROOT / "compose.yaml")


@pytest.fixture(scope="session")
def docker_compose_command(
    docker_compose_command: str,
    stack_settings: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> str:
    """Compose, with the settings as its user would give them: in a file."""
    file = tmp_path_factory.mktemp("stack") / ".env"
    file.write_text("".join(f"{name}={value}\n" for name, value in stack_settings.items()))
    return f"{docker_compose_command} --env-file '{file}'"


@pytest.fixture(scope="session")
def docker_setup() -> list[str]:
    """Up, until all are healthy; the images are there, and buildx need not be."""
    return ["up --detach --wait --no-build --pull never"]


@pytest.fixture(scope="session")
def docker_cleanup() -> list[str]:
    """Down, with all data."""
    return ["down --volumes"]


@pytest.fixture(scope="session")
def _up(docker_services: Services) -> Services:
    return docker_services


@pytest.fixture
def stack(
    _up: Services,
    stack_settings: dict[str, str],
    docker_client: docker.DockerClient,
) -> Iterator[Stack]:
    """The stack, up and healthy, with whatever modules other tests left."""
    password, port = stack_settings["POSTGRES_PASSWORD"], stack_settings["POSTGRES_PORT"]
    with psycopg.connect(
        f"postgresql://postgres:{password}@127.0.0.1:{port}/panel",
        autocommit=True,
        row_factory=dict_row,
    ) as database:
        database.execute("listen refitd_status")
        yield Stack(
            port=int(stack_settings["PROXY_PORT"].rpartition(":")[2]),
            database=database,
            container_name=stack_settings["BACKEND_CONTAINER"],
            client=docker_client,
            compose=_up,
        )


@dataclass(frozen=True)
class Stack:
    """The handles that a user of the stack has."""

    port: int
    database: psycopg.Connection[DictRow]
    container_name: str
    client: docker.DockerClient
    compose: Services

    def sql(self, statement: LiteralString, *values: object) -> list[DictRow]:
        """One statement, in a transaction of its own."""
        cursor = self.database.execute(statement, values)
        return cursor.fetchall() if cursor.description else []

    def install(self, *ids: str) -> None:
        """Rows as the web app writes them."""
        for id_ in ids:
            self.sql("insert into modules (id, has_backend) values (%s, true)", id_)

    def wanted(self) -> list[str]:
        """What the table says."""
        return [
            row["id"] for row in self.sql("select id from modules where has_backend order by 1")
        ]

    def served(self) -> dict[str, Any]:
        """What the backend says of itself, through the proxy."""
        url = f"http://127.0.0.1:{self.port}/modules"
        with urllib.request.urlopen(url, timeout=10) as answer:
            said: dict[str, Any] = json.load(answer)
            return said

    def built_in(self) -> list[str]:
        """What is built into the backend that the proxy reaches."""
        return sorted(module["id"] for module in self.served()["modules"])

    def container(self) -> Container:
        """The one that bears the backend's name."""
        return self.client.containers.get(self.container_name)

    def log(self) -> str:
        """What refitd said."""
        said = self.compose._docker_compose.execute("logs --no-log-prefix refitd")
        assert isinstance(said, bytes)
        return said.decode()

    @contextmanager
    def deployment(self) -> Iterator[DictRow]:
        """The one deployment that comes of what is written within; filled in at the end."""
        (before,) = self.sql("select coalesce(max(id), 0) as id from refitd.deployment")
        ended: DictRow = {}
        yield ended
        deadline = time.monotonic() + PATIENCE_S
        while not ended:
            rows = self.sql(
                "select * from refitd.deployment where id > %s and finished_at is not null"
                " order by id limit 1",
                before["id"],
            )
            if rows:
                ended.update(rows[0])
            elif time.monotonic() > deadline:
                raise AssertionError(f"nothing came of it:\n{self.log()}")
            else:
                list(self.database.notifies(timeout=2, stop_after=1))


# -- What it does ------------------------------------------------------------------------------


def test_rows_become_a_backend_and_no_request_is_lost(stack: Stack) -> None:
    """Rows are written, a rebuild is done: the proxy's backend is the table, at no request's cost."""
    with Traffic(stack.port) as traffic:
        with stack.deployment() as ended:
            stack.install("billing", "search", "audit")
        assert (ended["action"], ended["state"]) == ("rebuild", "succeeded"), ended
        assert stack.built_in() == stack.wanted(), stack.log()
    assert ended["strategy"] == "overlap"
    assert traffic.answered
    assert traffic.failures == []


def test_a_toggle_is_a_replacement_by_the_same_image(stack: Stack) -> None:
    """A module is switched off: a successor of the same image, no build, and no request is lost."""
    with stack.deployment():
        stack.install("calendar")
    before = stack.container()
    with Traffic(stack.port) as traffic:
        with stack.deployment() as ended:
            stack.sql("update modules set enabled = false where id = 'calendar'")
        assert "calendar" not in stack.served()["enabled"]
    after = stack.container()
    assert (ended["action"], ended["state"]) == ("restart", "succeeded"), ended
    assert after.id != before.id
    assert after.attrs["Image"] == before.attrs["Image"]
    assert traffic.answered
    assert traffic.failures == []


def test_compose_leaves_what_refitd_made_alone(stack: Stack) -> None:
    """`up` once more, after a rebuild, is no reason to make the backend anew."""
    with stack.deployment():
        stack.install("tickets")
    before = stack.container()
    stack.compose._docker_compose.execute("up --detach --wait --no-build --pull never")
    assert stack.container().id == before.id
    assert stack.built_in() == stack.wanted()


def test_its_command_line_is_at_hand(stack: Stack) -> None:
    """In the daemon's container, and with the daemon's own role: status, a request, no complaint."""
    with stack.deployment() as ended:
        stack.compose._docker_compose.execute("exec -T refitd refitd restart")
    assert (ended["action"], ended["state"]) == ("restart", "succeeded"), ended
    said = stack.compose._docker_compose.execute("exec -T refitd refitd status --json")
    assert "in_step" in str(said)
    stack.compose._docker_compose.execute("exec -T refitd refitd doctor")
