"""The daemon as a whole: its threads, its signals, what is done first and last."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from datetime import timedelta
from itertools import chain, count, repeat
from threading import Event
from typing import Any

import pytest

from refitd.errors import DatabaseUnavailable, EngineUnavailable
from refitd.shell.lifecycle import heeding_signals
from refitd.shell.listen import ListenerState
from refitd.shell.tenure import Tenure
from tests.shell.house import BILLING, CRM, NAME
from tests.shell.loops import Daemon


def terminate() -> list[tuple[str, str]]:
    """As systemd does."""
    os.kill(os.getpid(), signal.SIGTERM)
    return []


class Heard(threading.Event):
    """Knows which thread has set it."""

    by = 0

    def set(self) -> None:
        self.by = threading.get_ident()
        super().set()


def test_signal_while_the_event_is_held() -> None:
    """The signal is heard in the middle of whatever the waiting thread does, which may hold the
    lock of the very event that says so: it is set by another thread, and nobody waits for ever."""
    stopping = Heard()
    with heeding_signals(stopping):
        signal.raise_signal(signal.SIGTERM)
        assert stopping.wait(10)
    assert stopping.by != threading.get_ident()


def test_start_to_stop() -> None:
    """It takes the lease, listens, is ready, looks; a signal ends it, and gives the lease up."""
    daemon = Daemon(hear=terminate)
    before = signal.getsignal(signal.SIGTERM)

    assert daemon.lifecycle.run() == 0
    assert daemon.supervisor.told[0] == "ready"
    assert daemon.supervisor.told[-1] == "stopping"
    assert signal.getsignal(signal.SIGTERM) is before
    database = daemon.house.database
    assert database.leases[NAME].expires_at <= database.at
    assert not daemon.timer.running
    assert [event for _, event, _ in daemon.house.log.said][-2:] == [
        "daemon.stopping",
        "daemon.stopped",
    ]


def test_thread_that_dies() -> None:
    """L14: a thread that ends is said, seen in the health while it is dead, and started again."""
    daemon, seen = Daemon(), list[str | None]()
    mistake = ZeroDivisionError("a mistake of ours")
    daemon.ear.script = chain([mistake, mistake, terminate], repeat(daemon._silence))
    revive = daemon.lifecycle._revive

    def look_on(bodies: dict[str, Callable[[], None]]) -> None:
        revive(bodies)
        seen.append(daemon.lifecycle.trouble())

    daemon.lifecycle._revive = look_on  # type: ignore[method-assign]
    daemon.lifecycle.run()
    daemon.lifecycle._revive({})

    assert "dead: listener" in seen
    assert "dead" not in (daemon.lifecycle.trouble() or "")

    assert len(daemon.house.log.facts("thread.crashed")) == 2
    assert {"thread": "listener"} in daemon.house.log.facts("thread.ended")


def test_timer_that_dies() -> None:
    """Nor does anything tick any more where the timer's thread died: it is said, and mended."""
    daemon = Daemon()

    def die() -> list[tuple[str, str]]:
        daemon.timer.alive = False
        return []

    def revive() -> None:
        daemon.timer.alive = True
        seen.append(daemon.lifecycle.trouble())
        terminate()

    seen: list[str | None] = []
    daemon.timer.revive = revive  # type: ignore[method-assign]
    daemon.ear.script = chain([die], repeat(daemon._silence))
    daemon.lifecycle.run()

    assert seen == ["dead: timer"]
    assert {"thread": "timer"} in daemon.house.log.facts("thread.ended")


def test_a_slow_engine_costs_no_other_target_its_lease() -> None:
    """While the engine is asked about one target, the lease on another is renewed on time."""
    daemon = Daemon()
    house, renewed, in_time = daemon.house, Event(), list[bool]()
    other = daemon.keeper_of(Tenure("other", house.journal, house.clock, 15.0))
    asked = count(1)

    def slow() -> tuple[str, int]:
        in_time.append(renewed.wait(10))
        return "engine", 0

    def ask(*evidence: Any) -> bool:
        if next(asked) == 3:
            renewed.set()
            terminate()
        return Tenure.ask(house.tenure, *evidence)

    other._evidence = slow  # type: ignore[method-assign]
    house.tenure.ask = ask  # type: ignore[method-assign,assignment]
    daemon.lifecycle._keepers = [other, daemon.keeper]
    daemon.lifecycle.run()

    assert in_time[:1] == [True]


def test_trouble() -> None:
    """What the health endpoint says: the dead, else a listener that does not listen."""
    daemon = Daemon()
    assert daemon.lifecycle.trouble() == "the listener is connecting"
    daemon.listener.state = "synced"
    assert daemon.lifecycle.trouble() is None
    daemon.lifecycle._dead = {"keeper"}
    assert daemon.lifecycle.trouble() == "dead: keeper"


POLLS: dict[ListenerState, float] = {
    "connecting": 3.0,
    "suspect": 3.0,
    "listening": 3.0,
    "synced": 30.0,
}


@pytest.mark.parametrize("state", POLLS)
def test_poll(state: ListenerState) -> None:
    """The poll is the floor under all of it: slow while the listener hears, quick while not."""
    daemon = Daemon()
    daemon.lifecycle.listener_moved(state)
    assert daemon.timer.periods["poll"] == POLLS[state]

    daemon.timer.calls["poll"]()
    assert daemon.timer.next_s is not None


def test_ready_once() -> None:
    """READY is said once, however often the connection comes and goes."""
    daemon = Daemon()
    states: list[ListenerState] = ["listening", "synced", "connecting", "listening"]
    for state in states:
        daemon.lifecycle.listener_moved(state)

    assert daemon.supervisor.told.count("ready") == 1
    assert any("cut off from Postgres" in told for told in daemon.supervisor.told)


@pytest.mark.parametrize(
    "error, rescues", [(DatabaseUnavailable("away"), 1), (EngineUnavailable("away"), 0)]
)
def test_first_things(error: Exception, rescues: int) -> None:
    """Where Postgres is away it rescues, first of all; where the engine is, it cannot."""
    daemon = Daemon()

    def fail() -> None:
        raise error

    daemon.keeper.take = fail  # type: ignore[method-assign]
    daemon.keeper.keep()
    daemon.lifecycle._first_things()
    assert daemon.rescues == rescues


def test_cut_off_from_the_start() -> None:
    """Until Postgres is there, what seems to serve is looked at again and again; no longer."""
    daemon = Daemon()

    def unreachable() -> None:
        raise DatabaseUnavailable("away")

    daemon.keeper.take = unreachable  # type: ignore[method-assign]
    daemon.keeper.keep()
    daemon.lifecycle._first_things()
    for _ in range(2):
        daemon.lifecycle._tend({})
    assert daemon.rescues == 3
    daemon.lifecycle.listener_moved("listening")
    daemon.lifecycle._tend({})

    assert daemon.rescues == 3


def test_retention() -> None:
    """Old rows go every hour; without a database that waits."""
    daemon = Daemon()
    database = daemon.house.database
    daemon.house.settle()
    database.write(NAME, CRM)
    database.write(NAME, BILLING, CRM)
    daemon.house.settle()
    database.at += timedelta(days=31)
    daemon.lifecycle._prune()
    database.down = True
    daemon.lifecycle._prune()

    assert daemon.house.log.facts("journal.pruned") == [{"rows": 2}]
    assert daemon.house.log.facts("journal.unpruned")
