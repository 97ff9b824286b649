"""The keeper: takes, renews and gives up the lease of one target, in a thread of its own.

It is apart from the worker because a lease must be renewed while a worker builds, and apart from
the timer because Postgres may take its time to answer. Each target has its own, with a connection
of its own: before a lease is taken the engine is asked for evidence, and may take a minute over it,
in which the leases of other targets would run out.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from refitd.core.deployment import Wake
from refitd.errors import DatabaseError, EngineError
from refitd.ports import Clock, Engine, Log
from refitd.shell.tenure import Tenure, latest_epoch


class Keeper:
    """Keeps one target's tenure."""

    def __init__(
        self,
        tenure: Tenure,
        engine: Engine,
        clock: Clock,
        log: Log,
        every_s: float,
        gained: Callable[[str, Wake], None],
        stopping: threading.Event,
    ) -> None:
        self._tenure, self._engine, self._clock, self._log = tenure, engine, clock, log
        self._every_s, self._gained = every_s, gained
        self._stopping = stopping
        self._wakened = threading.Event()
        self.name = tenure.target
        #: What was wrong in the last round.
        self.trouble: DatabaseError | EngineError | None = None
        #: Set once the first round is over, whatever came of it.
        self.tried = threading.Event()
        self._asking = threading.Lock()
        self._resigned = False

    def run(self) -> None:
        """The thread's body: until `stopping`."""
        while not self._stopping.is_set():
            self.keep()
            self._wakened.wait(self._every_s)
            self._wakened.clear()

    def wake(self) -> None:
        """A lease may be free: ask at once. Any thread; also how `stopping` is noticed."""
        self._wakened.set()

    def keep(self) -> None:
        """One round."""
        before, self.trouble = self.trouble, None
        try:
            self.take()
        except (DatabaseError, EngineError) as error:
            if str(error) != str(before or ""):
                self._log.warning("lease.unkept", target=self.name, error=str(error))
            self.trouble = error
        finally:
            self.tried.set()

    def take(self) -> None:
        """Renew the lease, or take it. Raises `DatabaseError`, `EngineError`."""
        tenure = self._tenure
        before, had = tenure.held, tenure.to_renew
        if self._ask():
            self._log.info("lease.taken", target=tenure.target, epoch=tenure.to_renew)
            self._gained(tenure.target, "lease")
        elif tenure.held and not before:
            # Renewed too late to be trusted in between: a look may have been given up.
            self._gained(tenure.target, "lease")
        elif had is not None and tenure.to_renew is None:
            self._log.warning("lease.lost", target=tenure.target, epoch=had)
            self.take()  # anew, and with evidence: it may just have run out

    def resign(self) -> None:
        """Give it up, so that another daemon takes over at once; it is not taken after."""
        with self._asking:
            self._resigned = True
        epoch = self._tenure.to_renew
        try:
            self._tenure.resign()
        except DatabaseError as error:
            self._log.warning("lease.unresigned", target=self.name, epoch=epoch, error=str(error))

    def _ask(self) -> bool:
        evidence = self._evidence()  # the engine may take its time, and we be told to stop
        with self._asking:
            return not self._resigned and self._tenure.ask(*evidence)

    def _evidence(self) -> tuple[str, int]:
        """The engine's id, and the highest epoch on the labels of what was made for the target.

        After a failover the lease row may have gone back; the labels have not.
        """
        if self._tenure.to_renew is not None:
            return "", 0
        found = self._engine.containers(self.name)
        return self._engine.info().id, latest_epoch(found, self.name)
