"""From start to stop: the threads, the signals, and what the supervisor is told.

    start   leases, or without Postgres the rescue; then all loops at once: the listener LISTENs and
            asks for a look, while each worker's first look settles what a death left half done
    stop    SIGTERM sets a flag: a build is cancelled, a replacement is parked at a safe step,
            or finished where the old one is already stopped; then the leases are given up.
            Postgres may be silent: no answer is waited for long (`hurry`), and the leases run out.
            A second signal ends the process at once, which is safe too.

A thread that ends before it was told to is an error: it is said, seen in the health, and the
thread is started again.
"""

from __future__ import annotations

import _thread
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from refitd.core.target import Timing
from refitd.errors import DatabaseError
from refitd.ports import Journal, Log, Supervisor, Timer
from refitd.shell.keeper import Keeper
from refitd.shell.listen import Listener, ListenerState
from refitd.shell.pulse import Pulse
from refitd.shell.worker import Worker

FORCED = 130

#: How long the leases may take to be given up, and idle threads to end.
FAREWELL_S = 2.0


class Lifecycle:
    """Runs the daemon's loops until it is told to stop."""

    def __init__(  # noqa: PLR0913 - the wiring of the loops, by keyword
        self,
        *,
        workers: Sequence[Worker],
        listener: Listener,
        pulse: Pulse,
        keepers: Sequence[Keeper],
        timer: Timer,
        journal: Journal,
        supervisor: Supervisor,
        log: Log,
        timing: Timing,
        watchdog_s: float | None,
        rescue: Callable[[], None],
        hurry: Callable[[], None],
        stopping: threading.Event,
    ) -> None:
        self._workers, self._listener, self._pulse, self._keepers = (
            workers,
            listener,
            pulse,
            keepers,
        )
        self._timer, self._journal, self._supervisor = timer, journal, supervisor
        self._log, self._timing = log, timing
        self._watchdog_s, self._rescue, self._hurry = watchdog_s, rescue, hurry
        self._stopping = stopping
        self._threads: dict[str, threading.Thread] = {}
        self._dead: set[str] = set()
        self._ready = False
        #: From the start on, until Postgres is reached.
        self._cut_off = False

    def trouble(self) -> str | None:
        """What is wrong with the daemon as a whole, for the health endpoint."""
        if self._dead:
            return "dead: " + ", ".join(sorted(self._dead))
        if self._listener.state not in ("listening", "synced"):
            return f"the listener is {self._listener.state}"
        return None

    def run(self) -> int:
        """Until a signal; answers the exit code."""
        bodies = {
            "timer": self._timer.revive,
            **{f"keeper {keeper.name}": keeper.run for keeper in self._keepers},
            "listener": self._listener.run,
            "pulse": self._pulse.run,
            **{f"worker {worker.name}": worker.run for worker in self._workers},
        }
        with heeding_signals(self._stopping):
            for keeper in self._keepers:
                self._begin(f"keeper {keeper.name}", keeper.run)
            self._first_things()
            self._timer.every("poll", self._timing.suspect_poll_s, self._poll)
            self._timer.every("prune", 3600.0, self._prune)
            self._timer.start()
            for name, body in bodies.items():
                if name not in self._threads and name != "timer":
                    self._begin(name, body)
            while not self._stopping.wait(min(self._watchdog_s or 1.0, 1.0)):
                self._tend(bodies)
            self._stop()
        return 0

    def listener_moved(self, state: ListenerState) -> None:
        """The listener's state is the health that people ask for; READY is when it listens."""
        if state in ("listening", "synced"):
            self._cut_off = False
            if not self._ready:
                self._ready = True
                self._log.info("daemon.ready")
                self._supervisor.ready()
            self._supervisor.status("listening; " + ", ".join(w.name for w in self._workers))
        else:
            self._supervisor.status(f"cut off from Postgres ({state}); polling")
        slow = state == "synced"
        every_s = self._timing.poll_s if slow else self._timing.suspect_poll_s
        self._timer.every("poll", every_s, self._poll)

    def _first_things(self) -> None:
        """Before anything else: the leases; or, without Postgres, who serves nothing is started.

        They are asked for by the keepers' own threads: while one waits for the engine, what the
        others have taken is renewed.
        """
        for worker in self._workers:
            worker.poke("start")
        for keeper in self._keepers:
            while not keeper.tried.wait(0.1) and not self._stopping.is_set():
                self._supervisor.alive()
        troubles = [keeper.trouble for keeper in self._keepers if keeper.trouble is not None]
        without_database = [each for each in troubles if isinstance(each, DatabaseError)]
        if without_database:
            self._log.warning("database.unavailable", error=str(without_database[0]))
            self._supervisor.status("cut off from Postgres (connecting); not ready yet")
            self._cut_off = True
            self._rescue()
        elif troubles:
            self._log.warning("engine.unavailable", error=str(troubles[0]))

    def _tend(self, bodies: dict[str, Callable[[], None]]) -> None:
        """Every second or so."""
        self._revive(bodies)
        if self._cut_off:
            self._rescue()
        if not self._dead:
            self._supervisor.alive()

    def _poll(self) -> None:
        for worker in self._workers:
            worker.poke("poll")

    def _prune(self) -> None:
        try:
            gone = self._journal.prune(self._timing.log_retention_days)
        except DatabaseError as error:
            self._log.warning("journal.unpruned", error=str(error))
        else:
            if gone:
                self._log.info("journal.pruned", rows=gone)

    # -- threads --------------------------------------------------------------------------------

    def _begin(self, name: str, body: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                body()
            except Exception as error:  # noqa: BLE001 - whatever it was, it must be said
                self._log.error("thread.crashed", thread=name, error=str(error), exc_info=True)

        thread = threading.Thread(target=guarded, name=name, daemon=True)
        self._threads[name] = thread
        thread.start()

    def _revive(self, bodies: dict[str, Callable[[], None]]) -> None:
        alive = {name for name, thread in self._threads.items() if thread.is_alive()}
        if self._timer.ticks():
            alive.add("timer")  # whose thread is its own
        newly_dead = bodies.keys() - alive
        for name in self._dead & newly_dead:
            self._begin(name, bodies[name])
            for worker in self._workers:
                worker.poke("retry")  # what the dead one had in hand is nobody's now
        for name in newly_dead - self._dead:
            self._log.error("thread.ended", thread=name)
        self._dead = newly_dead - alive

    # -- the end --------------------------------------------------------------------------------

    def _stop(self) -> None:
        self._log.info("daemon.stopping")
        self._supervisor.stopping()
        self._hurry()
        for worker in self._workers:
            worker.wake()
        for keeper in self._keepers:
            keeper.wake()
        for name, thread in self._threads.items():
            if name.startswith("worker"):
                thread.join()
        self._timer.stop()
        for keeper in self._keepers:
            self._begin(f"farewell {keeper.name}", keeper.resign)
        deadline = time.monotonic() + FAREWELL_S
        for name, thread in self._threads.items():
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                self._log.warning("thread.abandoned", thread=name)
        self._log.info("daemon.stopped")


@contextmanager
def heeding_signals(stopping: threading.Event) -> Iterator[None]:
    """SIGTERM and SIGINT set `stopping`; a second one ends the process at once."""

    heard_before = False

    def heard(_signal: int, _frame: FrameType | None) -> None:
        nonlocal heard_before
        if heard_before:
            os._exit(FORCED)
        heard_before = True
        # Not here: the thread that is interrupted may hold the event's own lock just now, as it
        # does for a moment at each end of a wait, and would wait for itself for ever.
        _thread.start_new_thread(stopping.set, ())

    before = {each: signal.signal(each, heard) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
