"""A panel for a test, built by hand on the session's engine, Postgres and git server."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
import psycopg
import pytest

from rig.engine import Engine
from rig.git import Repository
from rig.postgres import Postgres
from rig.wheels import wheelhouse
from tests.acceptance.panel import ROOT, Panel


@pytest.fixture(scope="session")
def backend_wheels() -> Path:
    """The wheels that an image of the example backend is built with, offline."""
    return wheelhouse(["psycopg[binary]"])


@pytest.fixture
def backend_repository(repository: Repository, backend_wheels: Path) -> Repository:
    """A repository with the example backend in `backend/`, as its README says to make one."""
    repository.commit_folder(ROOT / "examples/backend", at="backend")
    repository.commit_folder(backend_wheels, at="backend/wheels")
    generator = (ROOT / "daemon/refitd/gen_modules.py").read_text()
    repository.commit({"backend/gen_modules.py": generator})
    return repository


@contextmanager
def built_by_hand(
    client: docker.DockerClient,
    docker_host: str,
    postgres: Postgres,
    dbname: str,
    repository: Repository,
    base_image: str,
    folder: Path,
) -> Iterator[Panel]:
    """A panel with one module, billing, built by hand; refitd is not installed yet."""
    bridge = client.networks.get("bridge")
    gateway = bridge.attrs["IPAM"]["Config"][0]["Gateway"]
    panel = Panel(
        name=f"panel-{secrets.token_hex(3)}",
        client=client,
        docker_host=docker_host,
        dsn=postgres.dsn(dbname),
        inner_dsn=postgres.dsn(dbname, host=gateway),
        repository=repository,
        base_image=base_image,
        folder=folder,
    )
    panel.sql((ROOT / "examples/modules.sql").read_text())
    panel.install("billing")
    try:
        panel.build_first_image("billing")
        panel.start_backend()
        yield panel
    finally:
        panel.clear()


@pytest.fixture
def panel(
    engine: Engine,
    docker_client: docker.DockerClient,
    base_image: str,
    postgres: Postgres,
    database: str,
    backend_repository: Repository,
    tmp_path: Path,
) -> Iterator[Panel]:
    """A panel of the test's own."""
    dbname = str(psycopg.conninfo.conninfo_to_dict(database)["dbname"])
    with built_by_hand(
        docker_client, engine.host, postgres, dbname, backend_repository, base_image, tmp_path
    ) as panel:
        yield panel
