"""L7: a real PgBouncer in the way. In transaction mode it swallows notifications; it is named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from bench.faults import Line
from bench.measure import Numbers
from bench.refitd import Refitd
from refitd.adapters.postgres import PgEar, examine
from refitd.errors import DatabaseRefused
from rig.engine import Engine
from rig.pgbouncer import PgBouncer
from rig.postgres import Clusters, Postgres
from rig.proxy import Proxy


@pytest.fixture(params=[18, 15])
def cluster(clusters: Clusters, request: pytest.FixtureRequest) -> Postgres:
    """Of each version."""
    return clusters.of(request.param)


@pytest.fixture
def line(cluster: Postgres) -> Iterator[Line]:
    """To a database of this test's own."""
    name = cluster.create_database()
    with Proxy("127.0.0.1", cluster.port) as proxy:
        yield Line(cluster, name, proxy)
    cluster.drop_database(name)


def test_transaction_mode_is_refused(line: Line) -> None:
    """L7: LISTEN is accepted, nothing arrives from others, and the pooler is named as the cause."""
    with PgBouncer(line.cluster, "transaction") as pooler:
        ear = PgEar(pooler.dsn(line.database), "one")
        with pytest.raises(DatabaseRefused, match="pooler in transaction mode"):
            ear.open()
        [wrong] = [each for each in examine(pooler.dsn(line.database)) if "pooler" in each.detail]
        assert not wrong.ok


def test_session_mode_will_do(line: Line) -> None:
    """L7: a pool in session mode hears like the server itself."""
    with PgBouncer(line.cluster, "session") as pooler:
        ear = PgEar(pooler.dsn(line.database), "one")
        ear.open()
        with psycopg.connect(pooler.dsn(line.database), autocommit=True) as other:
            other.execute("select pg_notify('refitd', '')")
        assert list(ear.hear(10)) == [("refitd", "")]
        ear.close()


def test_a_daemon_behind_one(line: Line, engine: Engine, tmp_path: Path) -> None:
    """L7: the daemon says at its start what is in the way, is not ready, and polls meanwhile."""
    numbers = Numbers()
    with PgBouncer(line.cluster, "transaction") as pooler:
        dsn = pooler.dsn(line.database)
        with Refitd(line, engine.host, tmp_path, dsn=dsn, listens=False) as daemon:
            daemon.wait_for("listener.cut_off", error="pooler in transaction mode")
            n = numbers.next()
            daemon.change(n)
            daemon.wait_for("target.looked", refused=f"'not valid {n}'")
            assert not [each for each in daemon.events if each["event"] == "daemon.ready"]
