"""Three daemons on one panel, each behind proxies of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rig.engine import Engine
from rig.postgres import Postgres
from tests.acceptance.panel import Panel
from tests.acceptance.stand import backend_repository, backend_wheels, panel
from tests.chaos.daemons import Trio

__all__ = ["backend_repository", "backend_wheels", "panel", "trio"]


@pytest.fixture
def trio(panel: Panel, engine: Engine, postgres: Postgres) -> Iterator[Trio]:
    """Three daemons that have not been started yet."""
    # Not in tmp_path, which may be too long for a socket's address.
    with (
        tempfile.TemporaryDirectory() as folder,
        Trio(panel, engine.socket, postgres.port, Path(folder)) as trio,
    ):
        yield trio
