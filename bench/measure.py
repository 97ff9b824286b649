"""How long it takes, from the end of a fault, until a change is seen.

Two changes a round: one committed while the fault lasts (or as soon as the server is there
again), and one after it, which shows whether hints arrive again or only a poll is left. Where a
change is committed after the fault's end, the clock starts with its commit.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from typing import Protocol, TypeVar

from bench.faults import Fault, Line

#: Longer than this is never.
NEVER_S = 60.0
#: Who hears of a change has seen it within this; a poll's turn seldom comes twice in a row.
HEARD_S = 1.5
#: Who is well hears of two changes in a row, out of so many.
TRIES = 10

T = TypeVar("T")


class Watched(Protocol):
    """A system that sees changes."""

    name: str
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
        self._seen: list[tuple[range, float]] = []
        self._told = threading.Condition()

    def saw(self, n: int, *, all_before: bool = False) -> None:
        """Now; with `all_before` by a look at the state of things, not by a message."""
        with self._told:
            self._seen.append((range(0 if all_before else n, n + 1), time.monotonic()))
            self._told.notify_all()

    def of(self, n: int, until_s: float) -> float:
        """The time at which `n` was seen; infinite if not by then."""

        def seen() -> list[float]:
            return [at for numbers, at in self._seen if n in numbers]

        with self._told:
            self._told.wait_for(lambda: bool(seen()), max(0.0, until_s - time.monotonic()))
            return min(seen(), default=math.inf)


@dataclass(frozen=True)
class Recovery:
    """Seconds until the change of the fault, and until the one after it, were seen."""

    during_s: float
    after_s: float


class Numbers:
    """Each change has a number of its own. Any thread."""

    def __init__(self) -> None:
        self._count = count(1)

    def next(self) -> int:
        """The next one."""
        return next(self._count)


def undergo(
    fault: Fault, watched: Sequence[Watched], numbers: Numbers, never_s: float = NEVER_S
) -> dict[str, Recovery]:
    """One round: by the name of each that is watched."""
    lines = [each.line for each in watched]
    fault.prepare(lines)
    _each(watched, lambda each: _make_well(each, numbers))
    n = numbers.next()
    began_s = time.monotonic()
    fault.begin(lines)
    time.sleep(fault.lasts_s)
    if fault.commits_during:
        first_s = _change(watched, n)
        fault.end(lines)
    else:
        fault.end(lines)
        first_s = _change(watched, n)
    ended_s = began_s if fault.from_beginning else time.monotonic()
    time.sleep(max(0.0, ended_s + fault.after_s - time.monotonic()))
    later = numbers.next()
    later_s = _change(watched, later)
    end_s = time.monotonic() + never_s
    found = {}
    for each in watched:
        since_s = ended_s if fault.commits_during else first_s[each.name]
        found[each.name] = Recovery(
            max(0.0, each.sightings.of(n, end_s) - since_s),
            max(0.0, each.sightings.of(later, end_s) - later_s[each.name]),
        )
    fault.restore(lines)
    return found


def _make_well(each: Watched, numbers: Numbers) -> None:
    """Whoever has not got over the last fault is begun anew: each fault is one by itself."""
    if not _hears(each, numbers):
        each.begin_anew()
        if not _hears(each, numbers):
            raise RuntimeError(f"{each.name} does not hear, though it was begun anew")


def _hears(each: Watched, numbers: Numbers) -> bool:
    in_a_row = 0
    for _ in range(TRIES):
        n = numbers.next()
        each.change(n)
        heard = not math.isinf(each.sightings.of(n, time.monotonic() + HEARD_S))
        in_a_row = in_a_row + 1 if heard else 0
        # A poll that finds work may be followed by another at once, though nobody listens.
        if in_a_row >= 2 and each.line.proxy.listening_ports():  # noqa: PLR2004 - as said
            return True
    return False


def _change(watched: Sequence[Watched], n: int) -> dict[str, float]:
    """To all at once; answers when each had its commit acknowledged, by name."""

    def commit(each: Watched) -> float:
        each.change(n)
        return time.monotonic()

    return _each(watched, commit)


def _each(watched: Sequence[Watched], act: Callable[[Watched], T]) -> dict[str, T]:
    """At the same time, so that nobody waits for another."""
    with ThreadPoolExecutor(len(watched)) as pool:
        return dict(zip((each.name for each in watched), pool.map(act, watched), strict=True))
