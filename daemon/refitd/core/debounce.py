"""When to look, and when a rebuild may follow: the end of a burst, without a clock of its own.

A *burst* begins with the first thing that woke us and ends when a look is taken. After
`look_quiet_s` without another write a look is due. What it finds decides: a restart acts at
once; a rebuild is *held* until `quiet_s` have passed without a write, or `longest_wait_s`
since the first one, so that neither a burst builds twice nor a steady drizzle builds never.

Anything but a write (a start, a reconnect, a poll, a request) is not the middle of a burst:
it is looked at right away, and where there was no write besides, acted upon right away too.
A periodic look is no reason to cut a burst short, though: half of its toggles would be served
by one restart, and the rest by another.

All of it is values: `poke` gives a new burst, and every time is an argument, in seconds of
one monotonic clock. A timer that asks `due_at` is all that is left to the shell.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from refitd.core.deployment import Change, Wake
from refitd.core.target import Timing

#: Looks that come again and again. Where there were writes, these are looked at soon anyway.
TICKS: frozenset[Wake] = frozenset(("poll", "watch", "retry"))


@dataclass(frozen=True, slots=True)
class Burst:
    """What has happened since the last look. `first_s` and `last_s` are of writes, if any."""

    wakes: tuple[Wake, ...]
    began_s: float
    first_s: float | None = None
    last_s: float | None = None
    held: bool = False

    @property
    def wake(self) -> Wake:
        """What to name as the cause: a write, if there was one, else the first thing."""
        return "notify" if "notify" in self.wakes else self.wakes[0]


def poke(burst: Burst | None, now_s: float, wake: Wake) -> Burst:
    """Note that something happened. A burst keeps its beginning, and remembers each cause once."""
    burst = burst or Burst((), now_s)
    wakes = burst.wakes if wake in burst.wakes else (*burst.wakes, wake)
    if wake != "notify":
        # Looked at right away even while a rebuild is being held back.
        return replace(burst, wakes=wakes, held=False)
    first_s = now_s if burst.first_s is None else burst.first_s
    return replace(burst, wakes=wakes, first_s=first_s, last_s=now_s)


def hold(burst: Burst, since: Burst | None = None) -> Burst:
    """The look found that a rebuild is due too early: keep the burst going, from its beginning.

    `since` is what has happened while we looked.
    """
    held = replace(burst, held=True)
    for wake in since.wakes if since else ():
        held = replace(held, wakes=held.wakes if wake in held.wakes else (*held.wakes, wake))
    if since and since.last_s is not None:
        held = replace(held, last_s=since.last_s, first_s=_least(held.first_s, since.first_s))
    return held


def due_at(burst: Burst, timing: Timing) -> float:
    """The moment at which to look."""
    urgent = any(wake != "notify" and wake not in TICKS for wake in burst.wakes)
    if burst.held:
        return _ripe_at(burst, timing)
    if urgent or burst.first_s is None or burst.last_s is None:
        return burst.began_s
    return min(burst.last_s + timing.look_quiet_s, burst.first_s + timing.longest_wait_s)


def ripe(burst: Burst, now_s: float, timing: Timing) -> bool:
    """Whether a rebuild may follow now."""
    return now_s >= _ripe_at(burst, timing)


def rested(changes: Iterable[Change], at: datetime, timing: Timing) -> bool:
    """Whether it is quiet by the change rows' own times, `at` being the database's clock: where
    no notification got through, a poll may look into the middle of a burst."""
    times = [change.at for change in changes]
    if not times:
        return True
    quiet_s = (at - max(times)).total_seconds()
    return quiet_s >= timing.quiet_s


def waited_s(changes: Iterable[Change], at: datetime) -> float:
    """For how long the oldest has waited, whoever was there to count: a daemon that takes over in
    the middle of a drizzle does not begin to wait anew."""
    return max(((at - change.at).total_seconds() for change in changes), default=0.0)


def _ripe_at(burst: Burst, timing: Timing) -> float:
    if burst.first_s is None or burst.last_s is None:
        return burst.began_s
    return min(burst.last_s + timing.quiet_s, burst.first_s + timing.longest_wait_s)


def _least(one: float | None, other: float | None) -> float | None:
    return min((value for value in (one, other) if value is not None), default=None)
