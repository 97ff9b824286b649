"""L6: a real standby, given in place of the primary or beside it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from bench.faults import Line
from bench.refitd import Refitd
from refitd.adapters.postgres import PgEar
from refitd.errors import DatabaseRefused
from rig.engine import Engine
from rig.postgres import Postgres, Standby
from rig.proxy import Proxy


@pytest.fixture(params=[18, 15])
def line(request: pytest.FixtureRequest) -> Iterator[Line]:
    """To a cluster that this test may stop."""
    with Postgres(version=request.param) as cluster, Proxy("127.0.0.1", cluster.port) as proxy:
        yield Line(cluster, cluster.create_database("panel"), proxy)


@pytest.fixture
def standby(line: Line) -> Iterator[Standby]:
    """Streams from it."""
    with Standby(line.cluster) as standby:
        yield standby


def test_it_is_refused_by_name(line: Line, standby: Standby) -> None:
    """L6: LISTEN cannot be had on a standby; it is said where, and what to give instead."""
    with pytest.raises(
        DatabaseRefused, match=f"127.0.0.1:{standby.port}/.*give refitd the primary"
    ):
        PgEar(standby.dsn(line.database), "one").open()


def test_a_daemon_on_a_standby(
    line: Line, standby: Standby, engine: Engine, tmp_path: Path
) -> None:
    """L6: it names the standby at its start, says so at most once a second, and goes to work as
    soon as that is promoted."""
    dsn = standby.dsn(line.database)
    with Refitd(line, engine.host, tmp_path, dsn=dsn, listens=False) as daemon:
        daemon.wait_for("listener.cut_off", error="give refitd the primary")
        began_s, before = time.monotonic(), len(daemon.events)
        with pytest.raises(RuntimeError):
            daemon.wait_for("listener.moved", timeout_s=5.0, state="synced")
        assert len(daemon.events) - before <= time.monotonic() - began_s
        standby.promote()
        daemon.wait_until_it_listens()
        with psycopg.connect(dsn, autocommit=True) as session:
            session.execute("update modules set id = 'not valid 1'")
        daemon.wait_for("target.looked", refused="'not valid 1'")


def test_failover(line: Line, standby: Standby, engine: Engine, tmp_path: Path) -> None:
    """L6: with both hosts in the DSN it is the one that takes writes, before and after the primary
    is lost."""
    ports = f"{line.cluster.port},{standby.port}"
    dsn = make_conninfo(line.cluster.dsn(line.database), host="127.0.0.1,127.0.0.1", port=ports)
    with Refitd(line, engine.host, tmp_path, dsn=dsn) as daemon:
        daemon.change(1)
        daemon.wait_for("target.looked", refused="'not valid 1'")
        line.cluster.stop("immediate")
        standby.promote()
        with psycopg.connect(standby.dsn(line.database), autocommit=True) as session:
            session.execute("update modules set id = 'not valid 2'")
        daemon.wait_for("target.looked", refused="'not valid 2'")
        line.cluster.start()
