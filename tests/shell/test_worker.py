"""When the worker looks: bursts, what it holds back, and what it sets an alarm for."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from refitd.core.deployment import Quarantine, Retiree, Snapshot
from refitd.core.module import Row
from refitd.shell.worker import alarms
from tests.contracts.model_engine import Build
from tests.shell.house import BILLING, CRM, MAIL, NAME, off
from tests.shell.shift import Shift

NOW = datetime(2026, 1, 1, tzinfo=UTC)


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
