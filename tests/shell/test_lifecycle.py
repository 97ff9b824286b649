"""The daemon as a whole: its threads, its signals, what is done first and last."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import chain, count, repeat
from threading import Event
from typing import Any

import pytest

from refitd.core.report import OnceResult, PlanView
from refitd.core.target import Timing
from refitd.errors import DatabaseUnavailable, EngineUnavailable, LeaseLost
from refitd.shell import one_look
from refitd.shell.cloner import Cloner
from refitd.shell.foresight import plan
from refitd.shell.keeper import Keeper
from refitd.shell.lifecycle import Lifecycle, heeding_signals
from refitd.shell.listen import Listener, ListenerState
from refitd.shell.pulse import Pulse
from refitd.shell.tenure import Tenure
from refitd.shell.worker import Worker
from tests.contracts.model_engine import Behaviour, Build
from tests.shell.fakes import FakeEar, FakeSupervisor, FakeTimer, Killed
from tests.shell.house import BILLING, CRM, MAIL, NAME, House, off


class Daemon:
    """All loops of a house; `when` says what happens as the listener moves."""

    def __init__(self, *, hear: Callable[[], list[tuple[str, str]]] | None = None) -> None:
        self.house = House(timing=Timing())
        house, self.stopping = self.house, self.house.stopping
        self.timer, self.supervisor = FakeTimer(house.clock), FakeSupervisor()
        self.rescues = 0
        self.worker = Worker(
            house.reconciler,
            house.journal,
            self.timer,
            house.clock,
            house.log,
            house.timing,
            self.stopping,
        )
        self.ear = FakeEar(self._hearing(hear))
        self.listener = Listener(
            ear=self.ear,
            leases=house.journal,
            clock=house.clock,
            log=house.log,
            metrics=house.metrics,
            timing=house.timing,
            instance="one",
            poke=self.worker.poke,
            moved=self._moved,
            stopping=self.stopping,
        )
        self.keeper = self.keeper_of(self.house.tenure)
        self.lifecycle = Lifecycle(
            workers=[self.worker],
            listener=self.listener,
            pulse=Pulse(self.listener.beat, house.log, 0.05, self.stopping),
            keepers=[self.keeper],
            timer=self.timer,
            journal=house.journal,
            supervisor=self.supervisor,
            log=house.log,
            timing=house.timing,
            watchdog_s=0.02,
            rescue=self._rescue,
            hurry=lambda: None,
            stopping=self.stopping,
        )

    def keeper_of(self, tenure: Tenure) -> Keeper:
        """The thread that keeps it."""
        house = self.house
        return Keeper(
            tenure=tenure,
            engine=house.engine,
            clock=house.clock,
            log=house.log,
            every_s=0.05,
            gained=lambda _, wake: self.worker.poke(wake),
            stopping=self.stopping,
        )

    def _hearing(self, hear: Callable[[], list[tuple[str, str]]] | None) -> Iterator[object]:
        """`hear` once: a second SIGTERM would end the process that runs this test."""
        if hear is not None:
            yield hear
        while True:
            yield self._silence

    def _silence(self) -> list[tuple[str, str]]:
        self.stopping.wait(0.01)
        return []

    def _moved(self, state: ListenerState) -> None:
        self.lifecycle.listener_moved(state)

    def _rescue(self) -> None:
        self.rescues += 1


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


# -- once and plan -----------------------------------------------------------------------------


def look_once(daemon: Daemon) -> OnceResult:
    """`refitd once`."""
    house = daemon.house
    keeper, over = daemon.keeper, Event()
    keeper._stopping = over
    return one_look.once(house.reconciler, house.journal, house.tenure, keeper, over)


def test_once() -> None:
    """It acts and ends, says what came of it, and gives the lease back."""
    daemon = Daemon()
    assert look_once(daemon) == OnceResult(NAME, "", "in step", "nothing")
    daemon.house.tenure.ask("e")
    daemon.house.write(MAIL)
    result = look_once(daemon)

    assert (result.action, result.state, result.ok) == ("rebuild", "succeeded", True)
    assert not daemon.house.tenure.held
    daemon.house.engine.script_builds(Build(error="broken"))
    daemon.house.tenure.ask("e")
    daemon.house.write(CRM)
    result = look_once(daemon)
    assert (result.state, result.ok) == ("failed", False)


def test_once_with_a_toggle_and_a_failed_build() -> None:
    """What failed is a failure, though a toggle was served after it."""
    daemon = Daemon()
    daemon.house.settle()
    daemon.house.engine.script_builds(Build(error="broken"))
    daemon.house.write(BILLING, off(CRM), MAIL)
    result = look_once(daemon)
    assert (result.action, result.state, result.ok) == ("restart", "succeeded", False)
    assert result.error


def killed_on_the_way(*, behaviour: Behaviour) -> Daemon:
    """A daemon that died once its canary ran; another one is to go on."""
    daemon = Daemon()
    house = daemon.house
    house.settle()
    house.engine.script_builds(Build(behaviour=behaviour))
    house.write(BILLING, CRM, MAIL)
    house.engine.arm(6, "after")
    with pytest.raises(Killed):
        house.settle()
    house.new_daemon()
    daemon.keeper = daemon.keeper_of(house.tenure)
    assert house.deployments[-1].goal is not None
    return daemon


@pytest.mark.parametrize(
    "behaviour, state, ok",
    [
        (Behaviour("healthy", 1.0), "succeeded", True),
        (Behaviour("unhealthy", 1.0), "rolled_back", False),
    ],
    ids=["well", "badly"],
)
def test_once_goes_on_with_what_was_left(behaviour: Behaviour, state: str, *, ok: bool) -> None:
    """The deployment that another run left half done is what came of it, well or badly."""
    daemon = killed_on_the_way(behaviour=behaviour)
    result = look_once(daemon)
    assert (result.action, result.state, result.ok) == ("rebuild", state, ok)
    assert result.reason == daemon.house.deployments[-1].reason
    assert len(daemon.house.deployments) == 1


def test_once_in_the_watch_window() -> None:
    """What fell over is put back, and that is what came of it: not what was wanted."""
    daemon = Daemon()
    house = daemon.house
    house.settle()
    house.write(BILLING, CRM, MAIL)
    house.settle()
    house.engine.behaves[house.serving().image_id] = Behaviour("unhealthy", 1.0)
    house.engine.restart("api")
    house.clock.sleep(2.0)
    result = look_once(daemon)
    assert (result.action, result.state, result.ok) == ("rollback", "rolled_back", False)


def test_once_beside_a_daemon() -> None:
    """Where a daemon holds the lease, it does the work."""
    daemon = Daemon()
    daemon.house.database.leases[NAME].holder = "two"

    with pytest.raises(LeaseLost, match="another daemon holds the lease"):
        look_once(daemon)


def foresee(house: House) -> PlanView:
    """`refitd plan`."""
    cloner = Cloner(house.engine, house.target, "plan", mark="7")
    return plan(house.target, house.engine, house.git, house.journal, cloner, None)


def test_plan() -> None:
    """It says what would be done, step by step, and does nothing but a probe."""
    house = House()
    house.settle()
    assert foresee(house).decision == "nothing"
    house.write(BILLING, off(CRM))
    assert foresee(house).steps[0] == "restart, because the image stays the same"
    house.write(MAIL)
    before = house.all_names()
    view = foresee(house)

    assert view.decision == "rebuild"
    assert view.steps[1] == "build an image with mail"
    assert view.steps[-1] == "move the tag api:latest"
    assert view.refusals == ()
    assert house.all_names() == before
    assert house.deployments == []
    assert house.serving() == house.first


def test_plan_at_first_contact() -> None:
    """Before the first contact it says how the container would be taken."""
    house = House()
    house.write(MAIL)
    view = foresee(house)

    assert view.decision == "rebuild"
    assert view.warnings[0].startswith("first contact")
    assert house.database.records == {}
