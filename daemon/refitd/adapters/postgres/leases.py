"""Leases on the database's clock, and the heartbeat that proves the listener hears.

What a lease means is written in `sql/006_lease.sql`. This connection must be another than the
listener's: through a transaction pooler, what a session notifies reaches itself and nobody else.
"""

from __future__ import annotations

import time

from refitd.adapters.postgres.connection import Connection
from refitd.core.deployment import Lease


class PgLeases:
    """The port `Leases`. `instance` is who takes them."""

    def __init__(self, connection: Connection, instance: str) -> None:
        self._connection = connection
        self._instance = instance

    _TAKE = """
        select holder, epoch, ours, engine_id, expires_in_s
        from refitd.take_lease(%s, %s, %s, %s, %s)
    """

    def take(self, target: str, engine_id: str, lease_s: float, floor: int = 0) -> Lease:
        with self._connection.use() as connection:
            row = connection.execute(
                self._TAKE, [target, self._instance, engine_id, float(lease_s), floor]
            ).fetchone()
        assert row is not None
        return Lease(target, *row)

    _RENEW = "select refitd.renew_lease(%s, %s, %s, %s, %s)"

    def renew(self, target: str, epoch: int, lease_s: float) -> bool:
        # When it is asked is told, so that it counts for nothing once a later one was answered.
        asked_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        with self._connection.use() as connection:
            row = connection.execute(
                self._RENEW, [target, self._instance, epoch, float(lease_s), asked_ns]
            ).fetchone()
        assert row is not None
        return bool(row[0])

    _RESIGN = "select refitd.resign_lease(%s, %s, %s)"

    def resign(self, target: str, epoch: int) -> None:
        with self._connection.use() as connection:
            connection.execute(self._RESIGN, [target, self._instance, epoch])

    _HEARTBEAT = "select pg_notification_queue_usage() from pg_notify('refitd_heartbeat', %s)"

    def heartbeat(self, nonce: str) -> float:
        with self._connection.use() as connection:
            row = connection.execute(self._HEARTBEAT, [nonce]).fetchone()
        assert row is not None
        return float(row[0])
