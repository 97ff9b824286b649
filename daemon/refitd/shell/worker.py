"""One thread for one target: it sleeps until its burst is over, looks, acts, and sleeps again.

Everything that happens (a notification, a poll, a reconnect, a request) is a *poke*: it only
adds to the burst. The timer's ticks only wake this thread up; whether a look is due is asked
of `core.debounce`. The burst is taken before the look, so what happens during it begins a new
one and is looked at afterwards: a change made while a rebuild runs is never lost.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from refitd.core.backoff import retry_delay_s
from refitd.core.debounce import Burst, due_at, hold, poke, rested, ripe, waited_s
from refitd.core.deployment import Snapshot, Wake
from refitd.core.plan import Wanted
from refitd.core.target import Timing
from refitd.core.wording import gist
from refitd.errors import DatabaseError, EngineUnavailable, LeaseLost, RefitdError
from refitd.ports import Clock, Journal, Log, Timer
from refitd.shell.drive import Parked
from refitd.shell.reconcile import Reconciler


class Worker:
    """Runs one target's reconciler at the right moments."""

    def __init__(
        self,
        reconciler: Reconciler,
        journal: Journal,
        timer: Timer,
        clock: Clock,
        log: Log,
        timing: Timing,
        stopping: threading.Event,
    ) -> None:
        self.name = reconciler.target.name
        self._reconciler, self._journal, self._timer = reconciler, journal, timer
        self._clock, self._log, self._timing = clock, log, timing
        self._stopping = stopping
        self._lock = threading.Lock()
        self._wakened = threading.Event()
        self._burst: Burst | None = None
        self._pokes, self._examined = 0, 0
        self._since_s: dict[int, float] = {}
        self._hears = False
        self._troubles = 0
        self._trouble = ""
        #: What is wrong, as long as it could not be written down.
        self._unwritten = ""

    def poke(self, wake: Wake) -> None:
        """Something happened: look when the time has come. Any thread."""
        with self._lock:
            self._burst = poke(self._burst, self._clock.now_s(), wake)
            self._pokes += 1
        self._set_alarm()
        self._wakened.set()  # should the tick be lost, it has been reckoned with how long to sleep

    def wake(self) -> None:
        """See whether something is due. Any thread; also how `stopping` is noticed."""
        self._wakened.set()

    def run(self) -> None:
        """The thread's body: until `stopping`."""
        while not self._stopping.is_set():
            burst = self._take()
            if burst is None:
                self._wakened.wait(self._idle_s())
                self._wakened.clear()
            else:
                self._look(burst)

    # -- the burst ------------------------------------------------------------------------------

    def _take(self) -> Burst | None:
        with self._lock:
            burst = self._burst
            if burst is None or due_at(burst, self._timing) > self._clock.now_s():
                return None
            self._burst = None
            return burst

    def _hold(self, burst: Burst) -> None:
        with self._lock:
            self._burst = hold(burst, self._burst)
        self._set_alarm()

    def _set_alarm(self) -> None:
        with self._lock:
            burst = self._burst
        if burst is not None:
            delay_s = max(0.0, due_at(burst, self._timing) - self._clock.now_s())
            self._timer.at(f"look at {self.name}", delay_s, self.wake)

    def _idle_s(self) -> float:
        """How long nothing is due, should a tick come too early and no other come after it."""
        with self._lock:
            if self._burst is None:
                return self._timing.poll_s
            left_s = due_at(self._burst, self._timing) - self._clock.now_s()
            return min(max(0.0, left_s), self._timing.poll_s)

    # -- the look -------------------------------------------------------------------------------

    def _look(self, burst: Burst) -> None:
        now_s, timing = self._clock.now_s(), self._timing
        ready, first_s = ripe(burst, now_s, timing), burst.first_s

        def may_build(found: Snapshot) -> bool:
            nonlocal first_s
            since_s = self._waiting_since(burst, found, now_s)
            if since_s is not None:
                first_s = min(since_s, now_s if first_s is None else first_s)
            waited = first_s is not None and now_s - first_s >= timing.longest_wait_s
            return waited or (ready and rested(found.changes, found.at, timing))

        try:
            looked = self._reconciler.look(
                burst.wake,
                ripe=may_build,
                cancelled=self._pointless,
            )
        except LeaseLost as error:
            self._hears = False
            self._say("lease.lacking", error)
        except Parked as error:
            self._log.info("deployment.parked", deployment=error.deployment_id, reason=str(error))
        except (DatabaseError, EngineUnavailable) as error:
            self._try_later("look.failed", error)
        except RefitdError as error:
            self._try_later("look.refused", error)
        else:
            self._troubles, self._hears = 0, True
            self._trouble = self._unwritten = ""
            if looked.held:
                # What only the rows' own times show counts as written just now.
                last_s = now_s if ready or burst.last_s is None else burst.last_s
                since_s = now_s if first_s is None else first_s
                self._hold(replace(burst, first_s=since_s, last_s=last_s))
            elif looked.again:
                self.poke("watch")
            self._plan_ahead()

    def _waiting_since(self, burst: Burst, found: Snapshot, now_s: float) -> float | None:
        """Since when the oldest open change has waited.

        The rows bear the time of their statements, which a transaction that took long to commit
        left far behind. So what was heard of as it came counts from then; of what was there before
        (a start, a lease gained, a reconnect, a look that failed) only the rows tell. Either is
        remembered.
        """
        heard_s = burst.first_s if self._hears and burst.wakes == ("notify",) else None
        self._since_s = {
            change.id: self._since_s.get(change.id, by_row_s if heard_s is None else heard_s)
            for change in found.changes
            for by_row_s in (now_s - waited_s([change], found.at),)
        }
        return min(self._since_s.values(), default=None)

    def _try_later(self, event: str, error: RefitdError) -> None:
        self._troubles += 1
        self._hears = False
        if self._say(event, error):
            self._unwritten = str(error)
        if self._stopping.is_set():
            return
        if self._unwritten:
            with suppress(DatabaseError):
                self._journal.set_problem(self.name, self._unwritten)
                self._unwritten = ""
        delay_s = retry_delay_s(self._troubles, 0.5, self._timing.suspect_poll_s)
        self._timer.at(f"retry {self.name}", delay_s, lambda: self.poke("retry"))

    def _say(self, event: str, error: RefitdError) -> bool:
        """Trouble is logged when it begins or changes, not at every try; answers whether it did."""
        if gist(str(error)) == self._trouble:
            return False
        self._trouble = gist(str(error))
        self._log.warning(event, error=str(error))
        return True

    def _plan_ahead(self) -> None:
        """Set the alarms that the database asks for: the watch window, a delayed retry."""
        try:
            snapshot = self._journal.snapshot(self.name)
        except DatabaseError:
            return
        for name, delay_s, wake in alarms(snapshot):
            self._timer.at(f"{name} {self.name}", delay_s, _poker(self.poke, wake))

    def _pointless(self, want: Wanted) -> bool:
        """Asked while an image is being built: is it still what is wanted?

        Only what has come to rest is looked at, by the same rule as before a rebuild, and once.
        """
        if self._stopping.is_set():
            return True
        with self._lock:
            burst, pokes = self._burst, self._pokes
        now_s = self._clock.now_s()
        if burst is None or pokes == self._examined or not ripe(burst, now_s, self._timing):
            return False
        self._examined = pokes
        try:
            snapshot = self._journal.snapshot(self.name)
            if any(request.kind == "cancel" for request in snapshot.requests):
                return True
            return self._reconciler.want(snapshot).build_key != want.build_key
        except RefitdError as error:
            self._log.warning("look.failed", error=str(error))
            return False


def alarms(snapshot: Snapshot) -> list[tuple[str, float, Wake]]:
    """(name, seconds from the snapshot, wake) of what must be looked at without being told."""
    found: list[tuple[str, float, Wake]] = []
    # One that is due and still there could not be removed: the next poll tries again.
    kept = [retiree for retiree in snapshot.retirees if retiree.due_at > snapshot.at]
    if kept:
        ends_s = max((retiree.due_at - snapshot.at).total_seconds() for retiree in kept)
        found.append(("watch", min(1.0, max(0.1, ends_s)), "watch"))
    # One that is over and was not acted upon (the target is paused, or missing) waits for
    # what stands in the way, not ten times a second.
    times = [entry.retry_at for entry in snapshot.quarantine if entry.retry_at is not None]
    retries = [time for time in times if time > snapshot.at]
    if retries:
        found.append(("retry", max(0.1, (min(retries) - snapshot.at).total_seconds()), "retry"))
    return found


def _poker(poke_: Callable[[Wake], None], wake: Wake) -> Callable[[], None]:
    return lambda: poke_(wake)
