"""The dedicated connection that LISTENs.

Opening it proves that it hears: a notification is sent from a second session and must arrive.
A transaction pooler accepts LISTEN, even lists the channel, and delivers nothing; only this
tells. What else arrives meanwhile is kept for the first `hear`.

psycopg drops the rest of a packet when its generator is left early, and deadlocks when the
connection is used from inside the loop. So each `hear` runs the generator to its end and only
then hands out what came.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg

from refitd.adapters.postgres.connection import Connection
from refitd.adapters.postgres.dsn import place
from refitd.adapters.postgres.leases import PgLeases
from refitd.adapters.postgres.wire import DEADLINE_S, Opening, Wire
from refitd.errors import DatabaseRefused, DatabaseUnavailable

Heard = tuple[str, str]

#: How long our own notification may take to come back.
PROOF_S = 2.0


class PgEar:
    """The port `Ear`."""

    def __init__(self, dsn: str, instance: str, proof_s: float = PROOF_S) -> None:
        self._dsn = dsn
        self._place = place(dsn)
        self._instance = instance
        self._proof_s = proof_s
        self._wire: Wire | None = None
        self._kept: list[Heard] = []
        self._in_use = threading.Lock()

    _IN_RECOVERY = "select pg_is_in_recovery()"
    _LISTEN = ("listen refitd", "listen refitd_heartbeat")

    def open(self) -> None:
        """Connect, LISTEN, and hear ourselves; afterwards nothing committed goes unheard."""
        self.close()
        self._wire = Opening(self._dsn, f"refitd listener {self._instance}").wire()
        with self._using() as wire, wire.deadline(DEADLINE_S):
            if wire.connection.execute(self._IN_RECOVERY).fetchone() == (True,):
                raise DatabaseRefused(f"{self._place} is a standby: give refitd the primary")
            for statement in self._LISTEN:
                wire.connection.execute(statement)
        self._prove()

    def hear(self, timeout_s: float) -> Sequence[Heard]:
        """(channel, payload) of all that arrives within the time, as soon as any does."""
        if self._kept:
            kept, self._kept = self._kept, []
            return kept
        with self._using() as wire:
            arriving = wire.connection.notifies(timeout=timeout_s, stop_after=1)
            return [(each.channel, each.payload) for each in arriving]

    def close(self) -> None:
        """At once, whatever the wire does, and whoever is in `hear`: they get an error."""
        wire = self._wire
        if wire is not None:
            wire.cut()
            with self._in_use:
                self._drop(wire)

    def _prove(self) -> None:
        nonce = f"{self._instance}:{uuid.uuid4().hex}"
        self._speak_from_elsewhere(nonce)
        ours = ("refitd_heartbeat", nonce)
        deadline = time.monotonic() + self._proof_s
        heard: list[Heard] = []
        while ours not in heard and (left := deadline - time.monotonic()) > 0:
            heard += self.hear(left)
        if ours not in heard:
            self._explain_silence()
        self._kept = [each for each in heard if each != ours]

    def _speak_from_elsewhere(self, nonce: str) -> None:
        other = Connection(self._dsn, f"refitd listener's proof {self._instance}")
        try:
            PgLeases(other, self._instance).heartbeat(nonce)
        finally:
            other.close()

    _ANSWER = "select"

    def _explain_silence(self) -> None:
        """A wire that answers and delivers nothing is a pooler's; a dead one raises here."""
        with self._using() as wire, wire.deadline(DEADLINE_S):
            wire.connection.execute(self._ANSWER)
        self.close()
        raise DatabaseRefused(
            f"{self._place}: LISTEN is accepted, but notifications of other sessions do not arrive:"
            " a pooler in transaction mode stands in the way; give refitd the server's own address,"
            " or a pool in session mode"
        )

    @contextmanager
    def _using(self) -> Iterator[Wire]:
        with self._in_use:
            wire = self._wire
            if wire is None:
                raise DatabaseUnavailable(f"{self._place}: the listener is not connected")
            try:
                yield wire
            except psycopg.Error as error:
                ours = wire.our_error(error)
                self._drop(wire)
                raise ours from error
            except BaseException:
                self._drop(wire)
                raise

    def _drop(self, wire: Wire) -> None:
        wire.drop()
        self._kept = []
        if self._wire is wire:
            self._wire = None
