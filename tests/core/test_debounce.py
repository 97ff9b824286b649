"""When a look is taken and when a rebuild may follow, whatever arrives in between."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refitd.core.debounce import Burst, due_at, hold, poke, rested, ripe, waited_s
from refitd.core.deployment import Change, Wake
from refitd.core.target import Timing

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
TIMING = Timing(look_quiet_s=0.5, quiet_s=2.0, longest_wait_s=15.0)


def burst_of(*events: tuple[float, Wake]) -> Burst:
    """The burst that these pokes make."""
    burst: Burst | None = None
    for at_s, wake in events:
        burst = poke(burst, at_s, wake)
    assert burst is not None
    return burst


def changes(*ages_s: float) -> list[Change]:
    """Change rows that were written so long before `NOON`."""
    return [
        Change(n, "rebuild", ("mail",), NOON - timedelta(seconds=age_s))
        for n, age_s in enumerate(ages_s)
    ]


# -- Facts -----------------------------------------------------------------------------------------


def test_one_write() -> None:
    """After one write a look is due when it has been quiet, and a rebuild later."""
    burst = burst_of((10, "notify"))

    assert due_at(burst, TIMING) == 10.5
    assert not ripe(burst, 10.5, TIMING)
    assert due_at(hold(burst), TIMING) == 12
    assert ripe(burst, 12, TIMING)


def test_each_write_puts_it_off() -> None:
    """Quiet is counted from the last write."""
    burst = burst_of((10, "notify"), (10.4, "notify"), (10.8, "notify"))

    assert due_at(burst, TIMING) == 11.3
    assert due_at(hold(burst), TIMING) == 12.8


def test_longest_wait() -> None:
    """D3: a steady stream is looked at and built after the longest wait, counted from the first."""
    burst = burst_of(*((n / 10, "notify") for n in range(150)))

    assert due_at(burst, TIMING) == 15
    assert ripe(burst, 15, TIMING)
    assert not ripe(burst, 14.99, TIMING)


def test_urgent() -> None:
    """A start, a reconnect, a request are looked at and acted upon right away."""
    burst = burst_of((10, "start"))

    assert due_at(burst, TIMING) == 10
    assert ripe(burst, 10, TIMING)


def test_urgent_within_a_burst() -> None:
    """A request in the middle of a burst is looked at at once; a rebuild still waits for quiet."""
    burst = burst_of((10, "notify"), (10.2, "request"))

    assert due_at(burst, TIMING) == 10
    assert not ripe(burst, 10.2, TIMING)
    assert ripe(burst, 12, TIMING)


def test_tick_within_a_burst() -> None:
    """A periodic look does not cut a burst short: half of its toggles would be one restart too
    many. The burst will be looked at soon by itself."""
    for wake in ("poll", "watch", "retry"):
        burst = burst_of((10, "notify"), (10.2, wake))

        assert due_at(burst, TIMING) == 10.5


def test_tick_alone() -> None:
    """A periodic look in a time of quiet is taken at once."""
    assert due_at(burst_of((10, "poll")), TIMING) == 10
    assert ripe(burst_of((10, "watch")), 10, TIMING)


def test_urgent_while_held() -> None:
    """While a rebuild is held back, a request is looked at right away."""
    held = hold(burst_of((10, "notify")))

    assert due_at(poke(held, 11, "request"), TIMING) <= 11


def test_hold_keeps_what_came_meanwhile() -> None:
    """What arrived during the look belongs to the burst that is held: its end moves."""
    looked, since = burst_of((10, "notify")), burst_of((10.6, "notify"), (10.7, "poll"))

    held = hold(looked, since)
    assert held.wakes == ("notify", "poll")
    assert (held.first_s, held.last_s) == (10, 10.6)
    assert due_at(held, TIMING) == 12.6


def test_hold_after_a_poll() -> None:
    """A write during a look that a poll began starts the quiet period."""
    held = hold(burst_of((10, "poll")), burst_of((10.1, "notify")))

    assert (held.first_s, held.last_s) == (10.1, 10.1)
    assert due_at(held, TIMING) == 12.1


def test_cause() -> None:
    """The first thing that woke us is named as the cause, and each is remembered once."""
    burst = burst_of((1, "notify"), (2, "poll"), (3, "notify"), (4, "poll"))

    assert burst.wake == "notify"
    assert burst.wakes == ("notify", "poll")


# -- A day in a worker's life ----------------------------------------------------------------------

writes = st.lists(st.floats(0, 60).map(lambda s: round(s, 2)), min_size=1, max_size=60).map(sorted)
ticks = st.lists(
    st.tuples(st.floats(0, 60).map(lambda s: round(s, 2)), st.sampled_from(("poll", "watch"))),
    max_size=6,
)


@dataclass
class Day:
    """A worker without threads: pokes in, looks out. Each look finds that a rebuild is due."""

    burst: Burst | None = None
    #: Times of looks that were not ripe, and of those that were (and so built).
    looks: list[float] = field(default_factory=list)
    builds: list[float] = field(default_factory=list)

    def run(self, events: list[tuple[float, Wake]]) -> None:
        """Live through all of it, until nothing is due any more."""
        for at_s, wake in sorted(events):
            self._until(at_s)
            self.burst = poke(self.burst, at_s, wake)
        self._until(float("inf"))

    def _until(self, end_s: float) -> None:
        now_s = 0.0
        while self.burst is not None and due_at(self.burst, TIMING) <= end_s:
            now_s = max(due_at(self.burst, TIMING), now_s, *self._last_poke())
            if ripe(self.burst, now_s, TIMING):
                self.builds.append(now_s)
                self.burst = None
            else:
                self.looks.append(now_s)
                self.burst = hold(self.burst)

    def _last_poke(self) -> list[float]:
        burst = self.burst
        return [burst.began_s, burst.last_s or 0.0] if burst else []


def _day(at: list[float], other: list[tuple[float, Wake]]) -> Day:
    day = Day()
    day.run([*((s, "notify") for s in at), *other])
    return day


@given(writes, ticks)
def test_nothing_is_lost(at: list[float], other: list[tuple[float, Wake]]) -> None:
    """After the last write, a rebuild comes, and within the longest wait of it."""
    day = _day(at, other)

    assert day.burst is None
    assert any(at[-1] <= built_s <= at[-1] + TIMING.longest_wait_s for built_s in day.builds)


@given(writes, ticks)
def test_a_build_for_each_write(at: list[float], other: list[tuple[float, Wake]]) -> None:
    """Each write is followed by a build within the longest wait, in however dense a stream."""
    day = _day(at, other)

    for write_s in at:
        after = [built_s for built_s in day.builds if built_s >= write_s]
        assert min(after) - write_s <= TIMING.longest_wait_s + 1e-6


@given(writes)
def test_never_before_quiet(at: list[float]) -> None:
    """A rebuild follows only two seconds of quiet, or the longest wait since the first write."""
    built_s = -1.0
    for next_s in _day(at, []).builds:
        burst = [s for s in at if built_s <= s < next_s]
        quiet = next_s - max(burst) >= TIMING.quiet_s - 1e-6
        long = next_s - min(burst) >= TIMING.longest_wait_s - 1e-6
        assert quiet or long
        built_s = next_s


@given(writes)
def test_one_burst_one_build(at: list[float]) -> None:
    """Writes that are never two seconds apart, within the longest wait, are built once."""
    closer = [s / 60 * 14 for s in at]
    dense = sorted({*closer, *(float(n) for n in range(int(closer[0]), int(closer[-1]) + 1))})

    assert len(_day([s for s in dense if s >= closer[0]], []).builds) == 1


@given(st.integers(1, 120))
def test_steady_stream(seconds: int) -> None:
    """D3: a stream of T seconds is built at least T / longest wait times, which starves
    nobody, and at most T / quiet time."""
    day = _day([n / 10 for n in range(seconds * 10 + 1)], [])

    assert seconds // TIMING.longest_wait_s <= len(day.builds) <= ceil(seconds / TIMING.quiet_s)


@given(writes)
def test_few_looks(at: list[float]) -> None:
    """A burst costs at most one look that finds it too early, and none costs more than writes."""
    day = _day(at, [])

    assert len(day.looks) + len(day.builds) <= 2 * len(at)


def test_rested() -> None:
    """By the rows' own times too: not in the middle of a burst."""
    assert rested([], NOON, TIMING)
    assert rested(changes(2.0), NOON, TIMING)
    assert not rested(changes(9.0, 1.9), NOON, TIMING)


def test_waited() -> None:
    """The oldest row counts."""
    assert waited_s([], NOON) == 0.0
    assert waited_s(changes(14.9, 0.1), NOON) == pytest.approx(14.9)
