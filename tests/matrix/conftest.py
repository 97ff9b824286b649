"""What the cells of the matrix are played on."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import docker
import pytest

from refitd.adapters.postgres import migrate
from rig.base_image import ensure_base
from rig.dockerd import Dockerd, private_dockerd
from rig.engine import Engine
from rig.git import Repository
from rig.postgres import Postgres
from tests.acceptance.panel import Panel
from tests.acceptance.stand import backend_repository, backend_wheels, built_by_hand
from tests.matrix.cells import Cell, Played

__all__ = ["backend_repository", "backend_wheels"]

Player = Callable[[Cell], Played | None]
Panels = Callable[[], AbstractContextManager[Panel]]


@pytest.fixture(scope="session")
def own_dockerd(engine: Engine) -> Iterator[Dockerd]:
    """An engine that may be killed: the session's, if that is ours alone, else another."""
    if engine.dockerd is not None:
        yield engine.dockerd
        return
    with private_dockerd() as dockerd:
        yield dockerd


@pytest.fixture(scope="session")
def own_client(own_dockerd: Dockerd) -> Iterator[docker.DockerClient]:
    """A client of that engine."""
    client = docker.DockerClient(own_dockerd.host, timeout=900)
    yield client
    client.close()


@pytest.fixture(scope="session")
def migrated(postgres: Postgres) -> str:
    """The name of a database with refitd's schema, to make others of."""
    name = postgres.create_database()
    migrate(postgres.dsn(name))
    return name


@pytest.fixture
def panels(
    own_dockerd: Dockerd,
    own_client: docker.DockerClient,
    postgres: Postgres,
    migrated: str,
    backend_repository: Repository,
    tmp_path: Path,
) -> Panels:
    """Makes panels on that engine, each with a database of its own."""
    base = ensure_base(own_client)

    @contextmanager
    def panel() -> Iterator[Panel]:
        name = postgres.create_database(template=migrated)
        folder = tmp_path / secrets.token_hex(4)
        folder.mkdir()
        try:
            with built_by_hand(
                own_client, own_dockerd.host, postgres, name, backend_repository, base, folder
            ) as built:
                yield built
        finally:
            postgres.drop_database(name)

    return panel


@pytest.fixture
def play(own_dockerd: Dockerd, postgres: Postgres, panels: Panels) -> Player:
    """Plays a cell on a panel of its own."""

    def play(cell: Cell) -> Played | None:
        with panels() as built:
            return cell.play(built, own_dockerd, postgres.port)

    return play
