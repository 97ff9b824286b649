"""How long it takes, from the end of a fault, until a change is seen.

Two changes a round: one committed while the fault lasts (or as soon as the server is there
again), and one after it, which shows whether hints arrive again or only a poll is left.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bench.faults import Fault, Line

#: Longer than this is never.
NEVER_S = 60.0
#: Who is well sees a change within this, even by a slow poll's half.
WELL_S = 15.0


class Watched(Protocol):
    """A system that sees changes."""

    name: str
    #: Whether it looks at the state of things: who sees a later change has seen this one too.
    looks: bool
    line: Line
    sightings: Sightings

    def change(self, n: int) -> None:
        """Commit change `n`, in a healthy session."""
        ...

    def begin_anew(self) -> None:
        """As somebody would whom it keeps waiting."""
        ...


class Sightings:
    """When which change was seen first, on this machine's monotonic clock."""

    def __init__(self) -> None:
        self._seen: list[tuple[int, float]] = []
        self._told = threading.Condition()

    def saw(self, n: int) -> None:
        """Now."""
        with self._told:
            self._seen.append((n, time.monotonic()))
            self._told.notify_all()

    def of(self, n: int, until_s: float, *, later_too: bool) -> float:
        """The time at which `n` was seen, or with `later_too` a later one; infinite if not then."""

        def seen() -> list[float]:
            return [at for each, at in self._seen if each == n or (later_too and each > n)]

        with self._told:
            self._told.wait_for(lambda: bool(seen()), max(0.0, until_s - time.monotonic()))
            return min(seen(), default=math.inf)


@dataclass(frozen=True)
class Recovery:
    """Seconds until the change of the fault, and until the one after it, were seen."""

    during_s: float
    after_s: float


class Numbers:
    """Each change has a number of its own."""

    def __init__(self) -> None:
        self._last = 0

    def next(self) -> int:
        """The next one."""
        self._last += 1
        return self._last


def undergo(
    fault: Fault, watched: Sequence[Watched], numbers: Numbers, never_s: float = NEVER_S
) -> dict[str, Recovery]:
    """One round: by the name of each that is watched."""
    _make_well(watched, numbers)
    lines = [each.line for each in watched]
    n = numbers.next()
    began_s = time.monotonic()
    fault.begin(lines)
    time.sleep(fault.lasts_s)
    if fault.commits_during:
        _change(watched, n)
    fault.end(lines)
    ended_s = time.monotonic()
    if not fault.commits_during:
        _change(watched, n)
    since_s = began_s if fault.from_beginning else ended_s
    time.sleep(max(0.0, since_s + fault.after_s - time.monotonic()))
    later = numbers.next()
    committed_s = {}
    for each in watched:
        committed_s[each.name] = time.monotonic()
        each.change(later)
    end_s = time.monotonic() + never_s
    found = {}
    for each in watched:
        during_s = each.sightings.of(n, end_s, later_too=each.looks) - since_s
        after_s = each.sightings.of(later, end_s, later_too=each.looks) - committed_s[each.name]
        found[each.name] = Recovery(during_s, after_s)
    fault.restore(lines)
    return found


def _make_well(watched: Sequence[Watched], numbers: Numbers) -> None:
    """Whoever has not got over the last fault is begun anew: each fault is one by itself."""
    n = numbers.next()
    _change(watched, n)
    end_s = time.monotonic() + WELL_S
    for each in watched:
        if math.isinf(each.sightings.of(n, end_s, later_too=each.looks)):
            each.begin_anew()
            each.change(n)
            assert not math.isinf(each.sightings.of(n, time.monotonic() + NEVER_S, later_too=True))


def _change(watched: Sequence[Watched], n: int) -> None:
    for each in watched:
        each.change(n)
