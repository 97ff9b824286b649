"""The work connection: opened when needed, bounded in time, thrown away on any error.

After an error nobody can say what state a connection is in, and a new one costs a millisecond;
so none is ever mended. Used by one thread at a time: others wait, no longer than the deadlines
of those before them.

When the listener's wire was found dead the others, which go the same way, are not believed
either: an idle one would cost its next user a whole deadline.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg.rows import TupleRow

from refitd.adapters.postgres.dsn import place
from refitd.adapters.postgres.wire import DEADLINE_S, Opening, Wire

#: An answer that was on its way when the wire came under suspicion arrives within this.
GRACE_S = 1.0


class Connection:
    """`name` is its application_name, as `pg_stat_activity` shows it."""

    def __init__(self, dsn: str, name: str) -> None:
        #: For messages; and a DSN that cannot be read is refused here.
        self.place = place(dsn)
        self._dsn = dsn
        self._name = name
        self._wire: Wire | None = None
        self._lock = threading.Lock()
        self._in_use: Wire | Opening | None = None
        self._doubts = self._doubted = 0
        self._hurried = self._brief = False

    @contextmanager
    def use(self, deadline_s: float = DEADLINE_S) -> Iterator[psycopg.Connection[TupleRow]]:
        """The connection, each statement its own transaction. Raises our errors only."""
        with self._lock:
            wire = self._take()
            try:
                with wire.deadline(min(deadline_s, self._patience_s or deadline_s)):
                    yield wire.connection
            except psycopg.Error as error:
                ours = wire.our_error(error)
                wire.drop()
                raise ours from error
            except BaseException:
                wire.drop()
                raise
            finally:
                self._in_use = None
            if wire.was_cut or self._doubted != self._doubts:  # cut too late to hurt, or soon to be
                wire.drop()
            else:
                self._wire = wire

    def doubt(self, *, under_way: bool) -> None:
        """Its wire may be dead: an idle one is not used again, and a statement that is `under_way`
        is given no more than a moment where that is doubted too. Any thread; at once."""
        self._doubts += 1
        if under_way:
            self._cut_soon()

    @contextmanager
    def briefly(self) -> Iterator[None]:
        """Inside, nothing is waited for longer than a moment. For the one thread that uses it."""
        self._brief = True
        try:
            yield
        finally:
            self._brief = False

    def hurry(self) -> None:
        """From now on nothing is waited for longer than a moment, what is under way included: the
        daemon is to stop, and whoever starts next does what was not written. Any thread; at once."""
        self._hurried = True
        self._cut_soon()

    @contextmanager
    def transaction(self, deadline_s: float = DEADLINE_S) -> Iterator[psycopg.Connection[TupleRow]]:
        """All of it or nothing."""
        with self.use(deadline_s) as connection, connection.transaction():
            yield connection

    def _cut_soon(self) -> None:
        wire = self._in_use
        if wire is not None:
            late = threading.Timer(GRACE_S, wire.cut)
            late.daemon = True
            late.start()

    def _take(self) -> Wire:
        """The one that is there, unless it was doubted, or a new one."""
        wire, self._wire = self._wire, None  # comes back only if all goes well
        if wire is not None and self._doubted != self._doubts:
            wire.drop()
            wire = None
        self._doubted = self._doubts
        if wire is None:
            # Seen by a `hurry` from here on; one from before is seen in its turn.
            opening = self._in_use = Opening(self._dsn, self._name)
            try:
                wire = opening.wire(self._patience_s)
            finally:
                self._in_use = None
        self._in_use = wire
        return wire

    @property
    def _patience_s(self) -> float | None:
        """None: as long as is usual."""
        return GRACE_S if self._hurried or self._brief else None

    def close(self) -> None:
        """Let go of it; the next use opens a new one."""
        with self._lock:
            if self._wire is not None:
                self._wire.drop()
                self._wire = None
