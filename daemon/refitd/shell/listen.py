"""The listener: a thread on the dedicated connection, from which all hints come.

    connecting ──LISTEN──▶ listening ──look──▶ synced ──heartbeat missed──▶ suspect
        ▲                                                                      │
        └────────────── torn down at once, full-jitter back-off ◀──────────────┘

On every (re)connect LISTEN comes first and a look second: what was committed in between is
seen by the look, what comes after it is heard. The loop's body only pokes. A connection that
is open may still deliver nothing (half-open behind a proxy, a transaction pooler), which no
keepalive shows; so a heartbeat is notified from *another* connection (`shell/pulse.py`), and one
that does not arrive in time ends this one. It makes no difference whether it could not be
delivered or could not be sent: silence is silence. One that is refused at once says nothing about
this connection, but is tried again soon; where none went through for as long as one and its
deadline take, nothing is known of this connection any more, and it is not believed in. The poll is the floor under all of it: slow while
synced, quick while not.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Literal

from refitd.core.backoff import full_jitter_s
from refitd.core.deployment import Wake
from refitd.core.target import Timing
from refitd.errors import DatabaseError, DatabaseUnavailable
from refitd.ports import Clock, Ear, Leases, Log, Metrics

ListenerState = Literal["connecting", "listening", "synced", "suspect"]

#: Reconnects wait up to 0.1, 0.2, 0.4 … seconds, never more than this.
LONGEST_BACKOFF_S = 1.0
STABLE_S = 30.0
CHANGES, HEARTBEATS = "refitd", "refitd_heartbeat"
#: The payload on `CHANGES` of one who gave a lease up; all others have none.
RESIGNED = "lease"


class Listener:
    """Hears notifications and pokes; proves all the while that it does hear."""

    def __init__(  # noqa: PLR0913 - the wiring of one loop
        self,
        ear: Ear,
        leases: Leases,
        clock: Clock,
        log: Log,
        metrics: Metrics,
        timing: Timing,
        instance: str,
        poke: Callable[[Wake], None],
        moved: Callable[[ListenerState], None],
        stopping: threading.Event,
    ) -> None:
        self._ear, self._leases, self._clock = ear, leases, clock
        self._log, self._metrics, self._timing = log, metrics, timing
        self._instance, self._poke, self._moved = instance, poke, moved
        self._stopping = stopping
        self.state: ListenerState = "connecting"
        self._complaint = ""
        self._failures, self._opened_s = 0, 0.0
        self._lock = threading.Lock()
        self._nonce, self._sent_s, self._count = "", 0.0, 0
        self._proven_s = 0.0

    def run(self) -> None:
        """The thread's body: until `stopping`."""
        try:
            self._move("connecting")
            while not self._stopping.is_set():
                pause_s = self.turn()
                if pause_s:
                    self._stopping.wait(pause_s)
        finally:
            self._ear.close()

    def turn(self) -> float:
        """Connect, or hear for a while; answers how long to wait before the next turn."""
        try:
            if self.state in ("listening", "synced"):
                self._hear()
            else:
                self._connect()
        except DatabaseError as error:
            return self._cut_off(error)
        return 0.0

    def beat(self) -> float | None:
        """Send a heartbeat through another connection; the pulse calls it every few seconds.

        Answers how much of the server's queue of notifications is in use, 0 to 1, where one was
        sent. Raises `DatabaseError` when that connection is broken.
        """
        if self.state not in ("listening", "synced"):
            return None
        with self._lock:
            if self._nonce:
                return None  # one at a time: the deadline is watched by the listening thread
            self._count += 1
            self._nonce = f"{self._instance}:beat-{self._count}"
            self._sent_s = self._clock.now_s()
            nonce = self._nonce
        try:
            return self._leases.heartbeat(nonce)
        except DatabaseError:
            with self._lock:
                self._nonce = ""
            raise

    def _connect(self) -> None:
        self._move("connecting")
        self._opened_s = self._clock.now_s()
        self._ear.open()
        with self._lock:
            self._proven_s = self._clock.now_s()
        self._move("listening")
        self._complaint = ""
        self._poke("reconnect")
        self._move("synced")

    def _hear(self) -> None:
        changed = resigned = False
        for channel, payload in self._ear.hear(min(0.5, self._timing.heartbeat_deadline_s / 4)):
            if channel == CHANGES:
                resigned |= payload == RESIGNED
                changed |= payload != RESIGNED
            elif channel == HEARTBEATS:
                self._heard(payload)
        if changed:
            self._poke("notify")
        if resigned:
            self._poke("lease")
        if self._overdue():
            self._move("suspect")
            raise DatabaseUnavailable(
                "the listening connection is open but delivers nothing (a half-open"
                " connection, or a transaction pooler in the way): it is torn down"
            )
        if self._unproven():
            self._move("suspect")
            raise DatabaseUnavailable(
                "no heartbeat could be sent for a while: whether the listening connection delivers"
                " is not known, and it is torn down"
            )

    def _cut_off(self, error: DatabaseError) -> float:
        self._complain(error)
        self._ear.close()
        self._move("connecting")
        if self._clock.now_s() - self._opened_s > STABLE_S:
            self._failures = 0
        self._failures += 1
        return full_jitter_s(self._failures, 0.1, LONGEST_BACKOFF_S, self._clock.dice())

    def _heard(self, payload: str) -> None:
        with self._lock:
            if payload == self._nonce:  # else another daemon's, or one given up waiting for
                self._nonce = ""
                self._proven_s = self._clock.now_s()

    def _unproven(self) -> bool:
        """Whether the last proof is older than the next one, at its latest, should be."""
        longest_s = self._timing.heartbeat_s + self._timing.heartbeat_deadline_s
        with self._lock:
            return not self._nonce and self._clock.now_s() - self._proven_s > longest_s

    def _overdue(self) -> bool:
        with self._lock:
            late = self._clock.now_s() - self._sent_s > self._timing.heartbeat_deadline_s
            overdue = bool(self._nonce) and late
            if overdue:
                self._nonce = ""
            return overdue

    def _move(self, state: ListenerState) -> None:
        if state == self.state:
            return
        before, self.state = self.state, state
        with self._lock:
            self._nonce = "" if state == "connecting" else self._nonce
        self._metrics.listener_state(state)
        if state in ("synced", "suspect") or before == "synced":
            self._log.info("listener.moved", state=state)
        self._moved(state)

    def _complain(self, error: DatabaseError) -> None:
        """One line for each new complaint, not one an attempt."""
        if str(error) != self._complaint:
            self._complaint = str(error)
            self._log.warning("listener.cut_off", error=str(error))
