"""Every test on Postgres has a database of its own; some have a wire that can be cut."""

from collections.abc import Iterator

import pytest

from rig.postgres import Postgres
from rig.proxy import Proxy
from tests.panel import Panel, bare, listener, migrated, panel, postgres

__all__ = ["bare", "listener", "migrated", "panel", "postgres"]


@pytest.fixture
def proxy(postgres: Postgres) -> Iterator[Proxy]:
    """In front of the server."""
    with Proxy("127.0.0.1", postgres.port) as proxy:
        yield proxy


@pytest.fixture
def wired(panel: Panel, proxy: Proxy) -> str:
    """The panel's DSN, by way of the proxy."""
    return panel.dsn_of(port=proxy.port)
