"""How long nobody served: measured at every replacement, by trying.

From the moment something is about to stop, a thread tries to connect to the backend (the old
container's address, then the new one's) every few milliseconds. The outage is the longest
stretch without an answer. Where the backend cannot be reached from here (no port known, other
network), it is bounded from above instead: from the stop to the proof.
"""

from __future__ import annotations

import threading
from datetime import datetime

from refitd.core.container import Container
from refitd.core.goal import Goal
from refitd.core.rollout import nothing_serves
from refitd.core.seen import Seen
from refitd.ports import Clock, Prober
from refitd.shell.observe import address_of

EVERY_S = 0.02
TIMEOUT_S = 0.25


class OutageMeter:
    """Measures one replacement at a time: `begin`, then `note` at each look, then `end`."""

    def __init__(self, prober: Prober, clock: Clock, port: int | None = None) -> None:
        self._prober, self._clock, self._port = prober, clock, port
        self._addresses: tuple[tuple[str, int], ...] = ()
        self._thread: threading.Thread | None = None
        self._done = threading.Event()
        self._reached = False
        self._last_answer_s: float | None = None
        self._longest_s = 0.0
        self._began_s: float | None = None
        self._proven_s: float | None = None

    def begin(self, seen: Seen, ago_s: float = 0.0) -> None:
        """Something that serves is about to stop, or did so a while ago."""
        if self._began_s is not None:
            return
        self._began_s = self._clock.now_s() - ago_s
        self._done.clear()
        self._reached, self._longest_s, self._proven_s = False, 0.0, None
        self._last_answer_s = None
        self._addresses = self._of(seen)
        if self._addresses:
            self._try_once()
            self._thread = threading.Thread(target=self._try, name="outage", daemon=True)
            self._thread.start()

    def note(self, goal: Goal, seen: Seen) -> None:
        """A look was taken: addresses may be new, and what serves may be proven."""
        if self._began_s is None:
            return
        self._addresses = self._of(seen) or self._addresses
        serves = seen.successor or seen.old
        if nothing_serves(goal, seen):
            self._proven_s = None  # what was to stop before had not: it got no answer, or a refusal
        elif self._proven_s is None and serves:
            self._proven_s = self._clock.now_s()

    def end(self) -> float | None:
        """The outage in seconds; None where nothing was stopped."""
        if self._began_s is None:
            return None
        now_s = self._clock.now_s()
        self._done.set()
        if self._thread is not None:
            self._thread.join(TIMEOUT_S * 4)
        bound_s = (self._proven_s or now_s) - self._began_s
        if self._proven_s is None and self._last_answer_s is not None:
            self._longest_s = max(self._longest_s, now_s - self._last_answer_s)
        self._began_s, self._thread = None, None
        return round(min(self._longest_s, bound_s) if self._reached else bound_s, 3)

    def _of(self, seen: Seen) -> tuple[tuple[str, int], ...]:
        found = []
        # The new one first: the old one's address, once nobody has it, costs a time-out to try.
        for container in (seen.successor, seen.old):
            if container is not None and container.runs:
                address, port = address_of(container), self._port or first_port(container)
                if address and port:
                    found.append((address, port))
        return tuple(found)

    def _try(self) -> None:
        while not self._done.wait(EVERY_S):
            self._try_once()

    def _try_once(self) -> None:
        answered = any(
            self._prober.tcp(address, port, TIMEOUT_S) is None for address, port in self._addresses
        )
        if not answered:
            return
        now_s = self._clock.now_s()
        if self._last_answer_s is not None:
            self._longest_s = max(self._longest_s, now_s - self._last_answer_s)
        elif self._began_s is not None:
            self._longest_s = now_s - self._began_s
        self._reached, self._last_answer_s = True, now_s


def down_for_s(container: Container | None, now: str) -> float:
    """For how long it is down, at the engine's time `now`; 0 where that cannot be told."""
    state = (container.inspect.get("State") or {}) if container is not None else {}
    try:
        ended = datetime.fromisoformat(str(state.get("FinishedAt")))
        return max(0.0, (datetime.fromisoformat(now) - ended).total_seconds())
    except (ValueError, TypeError):
        return 0.0


def first_port(container: Container) -> int | None:
    """The lowest TCP port that the container exposes."""
    exposed = (container.inspect.get("Config") or {}).get("ExposedPorts") or {}
    ports = [int(port.partition("/")[0]) for port in exposed if port.endswith("/tcp")]
    return min(ports, default=None)
