"""The keeper: takes, renews and gives up the leases of all targets, in a thread of its own.

It is apart from the workers because a lease must be renewed while a worker builds, and apart
from the timer because Postgres may take its time to answer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from refitd.core.deployment import Wake
from refitd.errors import DatabaseError, EngineError
from refitd.ports import Clock, Engine, Log
from refitd.shell.tenure import Tenure, latest_epoch


class Keeper:
    """Keeps the tenures of all targets."""

    def __init__(
        self,
        tenures: Sequence[Tenure],
        engine: Engine,
        clock: Clock,
        log: Log,
        every_s: float,
        gained: Callable[[str, Wake], None],
        stopping: threading.Event,
    ) -> None:
        self._tenures, self._engine, self._clock, self._log = tenures, engine, clock, log
        self._every_s, self._gained = every_s, gained
        self._stopping = stopping
        self._wakened = threading.Event()
        self._trouble = ""
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
        """One round over all targets."""
        try:
            self.take()
        except (DatabaseError, EngineError) as error:
            if str(error) != self._trouble:
                self._log.warning("lease.unkept", error=str(error))
            self._trouble = str(error)
        else:
            self._trouble = ""

    def take(self) -> None:
        """Renew or take each target's lease, those that are held first.

        Raises `DatabaseError`, `EngineError`, once all had their turn.
        """
        troubles = []
        for tenure in sorted(self._tenures, key=lambda tenure: not tenure.held):
            try:
                self._take(tenure)
            except (DatabaseError, EngineError) as error:
                troubles.append(error)
        if troubles:
            raise troubles[0]

    def _take(self, tenure: Tenure) -> None:
        before, had = tenure.held, tenure.is_ours_to_renew
        if self._ask(tenure):
            self._log.info("lease.taken", target=tenure.target, epoch=tenure.epoch)
            self._gained(tenure.target, "lease")
        elif tenure.held and not before:
            # Renewed too late to be trusted in between: a look may have been given up.
            self._gained(tenure.target, "lease")
        elif had and not tenure.is_ours_to_renew:
            self._log.warning("lease.lost", target=tenure.target)
            self._take(tenure)  # anew, and with evidence: it may just have run out

    def resign(self) -> None:
        """Give all leases up, so that another daemon takes over at once; none is taken after."""
        with self._asking:
            self._resigned = True
        for tenure in self._tenures:
            try:
                tenure.resign()
            except DatabaseError as error:
                self._log.warning("lease.unresigned", target=tenure.target, error=str(error))

    def _ask(self, tenure: Tenure) -> bool:
        evidence = self._evidence(tenure)  # the engine may take its time, and we be told to stop
        with self._asking:
            return not self._resigned and tenure.ask(*evidence)

    def _evidence(self, tenure: Tenure) -> tuple[str, int]:
        """The engine's id, and the highest epoch on the labels of what was made for the target.

        After a failover the lease row may have gone back; the labels have not.
        """
        if tenure.is_ours_to_renew:
            return "", 0
        found = self._engine.containers(tenure.target)
        return self._engine.info().id, latest_epoch(found, tenure.target)
