"""A foreign session that listens and never ends its transaction, so that nothing can be taken out
of the server's queue of notifications, in a server whose queue is small."""

from __future__ import annotations

from contextlib import closing

import psycopg

from refitd.adapters.postgres import examine
from refitd.adapters.postgres.connection import Connection
from refitd.adapters.postgres.leases import PgLeases
from refitd.core.finding import QUEUE_ALARM
from rig.postgres import Postgres

#: The least that Postgres takes, in pages of 8 kB.
SMALL = {"max_notify_queue_pages": "64"}


def test_piled_up() -> None:
    """L12: the alarm is given while writers can still write, by doctor and by each heartbeat, and
    is over with that session."""
    with Postgres(settings=SMALL) as cluster:
        dsn = cluster.dsn(cluster.create_database())
        connection = Connection(dsn, "refitd")
        leases = PgLeases(connection, "one")
        with (
            closing(connection),
            psycopg.connect(dsn) as hog,
            psycopg.connect(dsn, autocommit=True) as writer,
        ):
            hog.execute("listen other")
            hog.commit()
            hog.execute("select 1")  # a transaction, and it stays open
            in_use = leases.heartbeat("one:0")
            assert in_use < QUEUE_ALARM
            while in_use < QUEUE_ALARM:
                writer.execute("select pg_notify('other', repeat('x', 7000) || random())")
                in_use = leases.heartbeat("one:1")
            assert in_use < 2 * QUEUE_ALARM
            found = {finding.name: finding for finding in examine(dsn)}["notification queue"]
            assert not found.ok
            assert "pg_stat_activity" in found.remedy
            hog.rollback()
            while in_use >= QUEUE_ALARM:
                writer.execute("select pg_notify('other', '')")
                in_use = leases.heartbeat("one:2")
