"""T4: rows that come by logical replication fire no statement trigger, and are seen all the same."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from bench.faults import Line
from bench.refitd import Refitd
from rig.engine import Engine
from rig.postgres import Postgres, Version
from rig.proxy import Proxy


@pytest.mark.parametrize("version", [18, 15])
def test_the_poll_sees_it(version: Version, engine: Engine, tmp_path: Path) -> None:
    """T4: the change is not in the log of changes, nobody notifies, and the next poll finds it."""
    with (
        Postgres(version=version, settings={"wal_level": "logical"}) as cluster,
        Proxy("127.0.0.1", cluster.port) as proxy,
    ):
        line = Line(cluster, cluster.create_database("panel"), proxy)
        there = cluster.create_database("publisher")
        with Refitd(line, engine.host, tmp_path, poll="2s") as daemon:
            with psycopg.connect(cluster.dsn(there), autocommit=True) as publisher:
                publisher.execute(
                    "create table modules (id text primary key, has_backend boolean,"
                    " enabled boolean)"
                )
                publisher.execute("create publication modules for table modules")
                publisher.execute(
                    "select pg_create_logical_replication_slot('to_panel', 'pgoutput')"
                )
                line.run(
                    f"create subscription modules connection '{cluster.dsn(there)}'"
                    " publication modules with (create_slot = false, slot_name = 'to_panel',"
                    " copy_data = false)"
                )
                publisher.execute("insert into modules values ('not valid 7', true, true)")
                daemon.wait_for("target.looked", wake="poll", refused="'not valid 7'")
            with psycopg.connect(cluster.dsn("panel"), autocommit=True) as panel:
                logged = panel.execute("select count(*) from refitd.change").fetchone()
                panel.execute("alter subscription modules disable")
                panel.execute("alter subscription modules set (slot_name = none)")
                panel.execute("drop subscription modules")
            assert logged == (1,)  # the row that was there from the beginning
