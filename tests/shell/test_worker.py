"""When the worker looks: bursts, what it holds back, what it tries again, and what it sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refitd.core.deployment import Quarantine, Retiree, Snapshot, Wake
from refitd.core.module import Row
from refitd.core.target import Timing
from refitd.errors import (
    DatabaseError,
    EngineUnavailable,
    LeaseLost,
    ReplacementRefused,
    SourceRefused,
)
from refitd.shell.worker import Worker, alarms
from tests.contracts.model_engine import Build
from tests.shell.fakes import FakeLog, FakeTimer
from tests.shell.house import BILLING, CRM, MAIL, NAME, TARGET, House, off

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Shift:
    """A worker in a house, without its thread: `work` is what that would do."""

    def __init__(self, house: House | None = None) -> None:
        self.house = house or House()
        self.timer = FakeTimer(self.house.clock)
        self.house.database.notify = self._hear
        self.worker = self._worker()

    def _worker(self) -> Worker:
        house = self.house
        return Worker(
            house.reconciler,
            house.journal,
            self.timer,
            house.clock,
            house.log,
            house.timing,
            house.stopping,
        )

    def _hear(self, channel: str, _payload: str) -> None:
        if channel == "refitd":
            self.worker.poke("notify")

    def work(self) -> None:
        """Look as long as something is due."""
        while (burst := self.worker._take()) is not None:
            self.worker._look(burst)

    def pass_time(self, seconds: float) -> None:
        """Let alarms fall due, and work at each."""
        end_s = self.house.clock.now_s() + seconds
        self.work()
        while self.timer.next_s is not None and self.timer.next_s <= end_s:
            self.timer.fire()
            self.work()
        self.house.clock.sleep(max(0.0, end_s - self.house.clock.now_s()))
        self.work()


@pytest.fixture
def shift() -> Shift:
    """One that has made its first contact."""
    shift = Shift()
    shift.worker.poke("start")
    shift.work()
    return shift


def test_start(shift: Shift) -> None:
    """The first look is taken at once."""
    assert shift.house.metrics.looks == ["start"]


def test_burst_is_one_rebuild(shift: Shift) -> None:
    """Ten writes within a second: one look that finds it too early, one rebuild."""
    rows: tuple[Row, ...] = (BILLING, CRM)
    for n in range(10):
        rows = (*rows, Row(f"m{n}", None, enabled=True))
        shift.house.write(*rows)
        shift.pass_time(0.1)
    shift.pass_time(1.5)
    assert shift.house.deployments == []
    shift.pass_time(60)

    assert shift.house.ends == [("rebuild", "succeeded")]
    shift.house.check_in_step()


def test_poll_in_the_middle_of_a_burst(shift: Shift) -> None:
    """While nothing can be heard, a poll in the middle of a burst does not build half of it."""
    shift.house.database.notify = lambda _channel, _payload: None
    shift.house.write(MAIL)
    shift.worker.poke("poll")
    shift.work()
    assert shift.house.deployments == []
    shift.house.write(MAIL, off(CRM))
    shift.pass_time(10)

    assert shift.house.ends == [("rebuild", "succeeded")]
    shift.house.check_in_step()


def test_taking_over_in_the_middle_of_a_drizzle(shift: Shift) -> None:
    """D3: whoever takes over does not begin to wait anew: the rows tell how long they have."""
    hears, shift.house.database.notify = shift.house.database.notify, lambda *_: None
    for n in range(16):
        shift.house.write(CRM, Row(f"m{n}", None, enabled=True))
        shift.house.clock.sleep(1.0)
    shift.house.database.notify = hears
    shift.worker.poke("lease")
    shift.house.write(CRM, MAIL)
    shift.work()
    shift.pass_time(1.0)

    assert shift.house.ends == [("rebuild", "succeeded")]


def test_long_transaction(shift: Shift) -> None:
    """What was written long before it was committed is waited after like anything just heard: the
    burst that begins with the commit is one rebuild."""
    shift.house.database.next_at = shift.house.database.at
    shift.house.clock.sleep(60.0)
    shift.house.write(BILLING, CRM, MAIL)
    shift.house.database.next_at = None
    shift.pass_time(1.0)
    assert shift.house.deployments == []
    shift.house.write(BILLING, CRM)
    shift.pass_time(60.0)

    assert shift.house.deployments == []


def test_look_that_failed_among_writes(shift: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    """D3: what was heard of before a look that failed has waited since then, though the look that
    finds it was woken by a later write alone."""
    with monkeypatch.context() as unreachable:
        unreachable.setattr(shift.house.journal, "snapshot", _unreachable)
        shift.house.write(CRM, MAIL)
        shift.house.clock.sleep(1.0)
        shift.work()
    shift.timer.lose()
    shift.house.clock.sleep(15.0)
    shift.house.write(CRM, MAIL, off(BILLING))
    shift.pass_time(0.6)

    assert shift.house.ends == [("rebuild", "succeeded")]


def test_tick_that_is_lost(shift: Shift) -> None:
    """A poke wakes the worker by itself, to reckon for how long to sleep: without any tick a look
    comes all the same."""
    shift.house.write(BILLING, CRM, MAIL)
    assert shift.worker._wakened.is_set()
    assert shift.worker._idle_s() <= 0.5


def test_toggle_is_served_first(shift: Shift) -> None:
    """A toggle acts after half a second."""
    shift.house.write(BILLING, off(CRM))
    shift.pass_time(0.4)
    assert shift.house.deployments == []
    shift.pass_time(0.2)

    assert shift.house.ends == [("restart", "succeeded")]


def test_burst_of_toggles_in_a_watch_window(shift: Shift) -> None:
    """While a new container is watched, second by second, a burst of toggles is one restart."""
    shift.house.write(MAIL)
    shift.pass_time(10)
    for n in range(12):
        shift.house.write(replace(MAIL, enabled=n % 2 == 0))
        shift.house.write(off(MAIL) if n % 2 == 0 else MAIL)
        shift.pass_time(0.2)
    shift.house.write(off(MAIL))
    shift.pass_time(10)

    assert shift.house.ends == [("rebuild", "succeeded"), ("restart", "succeeded")]


def test_change_during_rebuild(shift: Shift) -> None:
    """Changes made while one is built cause at most one more."""
    shift.house.write(MAIL)

    def more(name: str, _: tuple[str, ...]) -> None:
        if name == "create" and len(shift.house.deployments) == 1:
            shift.house.write(MAIL, CRM)
            shift.house.write(MAIL, CRM, BILLING)

    shift.house.engine.spy = more
    shift.pass_time(60)

    assert shift.house.ends == [("rebuild", "succeeded")] * 2
    shift.house.check_in_step()


def _unreachable(_target: str) -> Snapshot:
    raise DatabaseError("the server closed the connection")


class Moments(list[tuple[str, str, dict[str, Any]]]):
    """What is said, and what the engine is asked to do: `pass_by` hears the number of each, that
    of the look which finds nothing more to do included."""

    def __init__(self) -> None:
        super().__init__()
        self.number = 0
        self.pass_by: Callable[[int], None] = lambda _number: None

    def append(self, line: tuple[str, str, dict[str, Any]]) -> None:
        """A line of the log."""
        super().append(line)
        self.one()

    def one(self) -> None:
        """A moment."""
        self.number += 1
        self.pass_by(self.number)


def rebuilt(script: Mapping[int, Sequence[tuple[Row, ...]]]) -> tuple[Shift, int]:
    """A house where a module is installed, and more is written at some moments on the way; and
    how many moments that had."""
    moments = Moments()
    shift = Shift(House(log=FakeLog(moments)))
    shift.worker.poke("start")
    shift.work()
    house, moments.number = shift.house, 0

    def follow(number: int) -> None:
        for rows in script.get(number, ()):
            house.write(*rows)

    moments.pass_by = follow
    house.engine.spy = lambda _name, _args: moments.one()
    house.write(MAIL, CRM, BILLING)
    shift.pass_time(120)
    return shift, moments.number


def test_poke_at_any_moment() -> None:
    """D1, D2: a write at any moment of a rebuild, that of its completion included, is acted upon,
    by one more at the most."""
    _, moments = rebuilt({})
    assert moments > 20
    for number in range(1, moments + 1):
        shift, _ = rebuilt({number: [(MAIL, CRM)]})
        shift.house.check_in_step()
        assert shift.house.ends in (
            [("rebuild", "succeeded")],
            [("rebuild", "superseded"), ("rebuild", "succeeded")],
            [("rebuild", "succeeded")] * 2,
        ), number


def test_there_and_back_at_any_moment() -> None:
    """D7: what is written and taken back at any moment of a rebuild causes none more, unless
    somebody has taken it up in between."""
    _, moments = rebuilt({})
    there_and_back = [(MAIL, CRM), (MAIL, CRM, BILLING)]
    for number in range(1, moments + 1):
        shift, _ = rebuilt({number: there_and_back})
        shift.house.check_in_step()
        assert shift.house.ends == [("rebuild", "succeeded")], number


def test_cancelled_build(shift: Shift) -> None:
    """A change that comes to rest during a build cancels it; one that leads back does not."""
    shift.house.engine.script_builds(*[Build(lines=["Step 1/1 : RUN x"])] * 2)
    shift.house.write(MAIL)

    def more(name: str, _: tuple[str, ...]) -> None:
        if name == "build" and len(shift.house.deployments) == 1:
            shift.house.write(CRM)
            shift.house.clock.sleep(3.0)

    shift.house.engine.spy = more
    shift.pass_time(60)

    assert shift.house.ends == [("rebuild", "superseded"), ("rebuild", "succeeded")]
    assert shift.house.modules() == "crm"


def test_pointless(shift: Shift) -> None:
    """Asked while building: yes when stopping or cancelled, no before it came to rest, and
    each burst is looked at once."""
    house, worker = shift.house, shift.worker
    house.write(MAIL)
    worker._take()
    want = house.reconciler.want(house.journal.snapshot(NAME))
    assert not worker._pointless(want)
    house.clock.sleep(3.0)
    assert not worker._pointless(want)
    house.database.down = True
    worker.poke("poll")
    assert not worker._pointless(want)
    house.database.down = False
    house.database.ask(NAME, "cancel")
    house.clock.sleep(3.0)
    assert worker._pointless(want)
    assert not worker._pointless(want)
    house.stopping.set()
    assert worker._pointless(want)


def test_database_away(shift: Shift) -> None:
    """With the database away it tries again, less and less often, and says so once."""
    shift.house.database.down = True
    shift.worker.poke("poll")
    shift.work()
    delays = []
    for _ in range(5):
        delays.append(shift.timer.due_in(f"retry {NAME}"))
        shift.pass_time(delays[-1] or 0)

    assert delays == [0.5, 1.0, 2.0, 3.0, 3.0]
    assert len(shift.house.log.facts("look.failed")) == 1
    shift.house.write(BILLING, CRM, MAIL)
    shift.house.database.down = False
    shift.pass_time(10)
    shift.house.check_in_step()


def test_lease_lacking(shift: Shift) -> None:
    """Without the lease it does nothing, says so once, and waits to be told."""
    shift.house.tenure.resign()
    shift.house.clock.hooks.clear()
    for _ in range(3):
        shift.worker.poke("poll")
        shift.pass_time(1)

    assert len(shift.house.log.facts("lease.lacking")) == 1


@pytest.mark.parametrize("error", [SourceRefused("no"), ReplacementRefused("no")])
def test_refused(shift: Shift, error: Exception) -> None:
    """What is refused is said, and tried again after a while."""

    def refuse(*_: object, **__: object) -> None:
        raise error

    shift.house.reconciler.want = refuse  # type: ignore[method-assign,assignment]
    shift.worker.poke("poll")
    shift.work()

    assert shift.house.log.facts("look.refused") == [{"error": "no"}]
    assert shift.timer.due_in(f"retry {NAME}") == 0.5


def test_engine_away(shift: Shift) -> None:
    """An engine that is away is tried again, too."""
    shift.house.engine.fail("container", error=EngineUnavailable("gone"))
    shift.worker.poke("poll")
    shift.pass_time(5)

    assert shift.house.log.facts("look.failed") == [{"error": "gone"}]


def test_parked(shift: Shift) -> None:
    """A stop in the middle ends the thread's work, with the row to go on from."""
    shift.house.write(MAIL)
    shift.house.engine.spy = lambda name, _: (
        shift.house.stopping.set() if name == "create" else None
    )
    shift.pass_time(5)
    shift.worker.run()

    assert shift.house.log.facts("deployment.parked")
    assert shift.house.deployments[0].finished_at is None


def test_watch_window(shift: Shift) -> None:
    """The watch window is looked at each second, and its end is kept."""
    shift.house.write(MAIL)
    shift.pass_time(3)
    assert shift.house.all_names() == ["api", "api-previous-1"]
    shift.pass_time(70)

    assert shift.house.all_names() == ["api"]
    assert shift.timer.next_s is None


def test_run(shift: Shift) -> None:
    """The thread sleeps until it is woken, works, and ends when it is told to."""
    shift.house.write(BILLING, off(CRM))
    shift.house.clock.sleep(1.0)
    shift.house.engine.spy = lambda name, _: (
        shift.house.stopping.set() if name == "restart" else None
    )
    shift.worker.wake()
    shift.worker.run()

    assert shift.house.serving().started_at != shift.house.first.started_at


def test_lease_lost_on_the_way(shift: Shift) -> None:
    """A lease that is lost while looking is said like one that is lacking."""

    def lose(*_: object, **__: object) -> None:
        raise LeaseLost("gone")

    shift.house.reconciler.find = lose  # type: ignore[method-assign]
    shift.worker.poke("poll")
    shift.work()

    assert shift.house.log.facts("lease.lacking") == [{"error": "gone"}]


# -- Alarms ----------------------------------------------------------------------------------------


def barred(seconds: float | None) -> Quarantine:
    """An entry that is tried again after so many seconds."""
    at = None if seconds is None else NOW + timedelta(seconds=seconds)
    return Quarantine("key", None, 1, "why", 1, at)


def test_alarms() -> None:
    """What must be looked at without being told: the next retry, and the watch window."""
    retiree = Retiree("c", "n", "i", "s", 1, NOW + timedelta(seconds=40))

    assert alarms(Snapshot(NOW)) == []
    assert alarms(Snapshot(NOW, quarantine=(barred(None),))) == []
    assert alarms(Snapshot(NOW, quarantine=(barred(9), barred(5)))) == [("retry", 5.0, "retry")]
    assert alarms(Snapshot(NOW, retirees=(retiree,))) == [("watch", 1.0, "watch")]


def test_alarm_that_is_over() -> None:
    """A retry that is over and was not taken (the target is paused) does not spin the worker."""
    assert alarms(Snapshot(NOW, quarantine=(barred(-5), barred(0)))) == []


# -- Whatever happens ------------------------------------------------------------------------------

wakes: st.SearchStrategy[Wake] = st.sampled_from(("poll", "watch", "reconnect", "request"))
modules = st.lists(
    st.builds(Row, st.sampled_from(["a", "b", "c"]), st.none(), st.booleans()),
    unique_by=lambda row: row.id,
    max_size=3,
).map(tuple)
events = st.lists(st.tuples(st.floats(0, 4), modules | wakes), min_size=1, max_size=12)


@given(events)
def test_converges(script: list[tuple[float, tuple[Row, ...] | Wake]]) -> None:
    """After the last write and the quiet period the backend is as the table says, with never
    more than one deployment a burst of writes."""
    shift = Shift(House(replace(TARGET, canary=False), Timing(quiet_s=2.0)))
    shift.worker.poke("start")
    for seconds, event in script:
        shift.pass_time(seconds)
        if isinstance(event, str):
            shift.worker.poke(event)
        else:
            shift.house.write(*event)
    shift.pass_time(30)

    shift.house.check_in_step()
    writes = sum(not isinstance(event, str) for _, event in script)
    assert len(shift.house.deployments) <= 2 * writes
