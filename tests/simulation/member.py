"""One daemon of a district: all its loops, on wires that go wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast

from refitd.core.deployment import Wake
from refitd.core.target import Timing
from refitd.errors import EngineError
from refitd.ports import Engine, Journal, Leases
from refitd.shell.audit import Audit, Epoch
from refitd.shell.keeper import Keeper
from refitd.shell.lifecycle import Lifecycle
from refitd.shell.listen import Listener, ListenerState
from refitd.shell.pulse import Pulse
from refitd.shell.rescue import rescue
from refitd.shell.tenure import Tenure
from refitd.shell.wiring import Outside, reconciler
from refitd.shell.worker import Worker
from tests.contracts.memory_journal import MemoryJournal
from tests.shell.fakes import FakeGit, FakeLog, FakeMetrics, FakeProber, FakeSupervisor
from tests.shell.house import NAME
from tests.simulation.baton import BatonEvent, BatonLock
from tests.simulation.wires import ByWire, Ear, FarEngine, Way, Wire

if TYPE_CHECKING:
    from tests.simulation.district import District

TIMING = Timing()
#: So long may it take to find out that a connection is half-open.
HALF_OPEN_S = 8.0


@dataclass(frozen=True)
class Act:
    """One call that changed something, and who held the lease as it was carried out."""

    at_s: float
    daemon: str
    call: str
    deposed: bool
    #: How often its caller had been frozen by then.
    freezes: int


class Daemon:
    """What `refitd.app` wires, but for real parts."""

    def __init__(self, district: District, name: str) -> None:
        self.district, self.name, self.baton = district, name, district.baton
        self.way: Way = "up"
        self.freezes = 0
        self.noticed_s = 0.0
        self.log = FakeLog()
        self.stopping = BatonEvent(self.baton)
        self.wires = {each: Wire(self, each) for each in ("worker", "keeper", "pulse")}
        self.ear = Ear(self)
        engine = cast("Engine", FarEngine(self))
        self.rescuing = False
        self.tenure = Tenure(NAME, self._leases("keeper"), self, TIMING.lease_s)
        self.tenure._lock = BatonLock(self.baton)  # type: ignore[assignment]
        self.worker = self._worker(engine)
        self.listener = self._listener()
        self.pulse = Pulse(self.listener.beat, self.log, TIMING.heartbeat_s, self.stopping)
        self.keeper = self._keeper(engine)
        self.lifecycle = self._lifecycle(engine)
        self.baton.spawn(name, "main", self._main)

    # -- the port Clock ------------------------------------------------------------------------

    def now_s(self) -> float:
        """The one clock."""
        return self.baton.now_s

    def sleep(self, seconds: float) -> None:
        """In virtual time."""
        self.baton.sleep(seconds)

    def dice(self) -> float:
        """By the district's seed."""
        return self.district.dice.random()

    # -- what happens to it --------------------------------------------------------------------

    def cut(self, way: Way) -> None:
        """Its way to the database: nobody lets it in, or nothing gets through."""
        self.way = way
        if way == "refused":
            self.ear.end()
        self.strand()

    def heal(self) -> None:
        """As a proxy that comes back: what was open is reset."""
        self.way = "up"
        self.ear.end()
        for wire in self.wires.values():
            wire.stranded = False

    def strand(self) -> None:
        """What is open goes silent; what is opened anew works."""
        self.noticed_s = self.baton.now_s + HALF_OPEN_S
        self.ear.strand()
        for wire in self.wires.values():
            wire.stranded = True

    def is_well(self) -> bool:
        """Whether it has no excuse for not acting."""
        whole = self.way == "up" and self.baton.now_s > self.noticed_s
        return whole and self.name not in self.district.frozen

    def die(self) -> None:
        """Nobody hears any more."""
        self.ear.close()

    def note(self, call: str) -> None:
        """It changes something: is it still its turn?"""
        row = self.district.database.leases.get(NAME)
        epoch = self.tenure._lease.epoch if self.tenure._lease else 0
        deposed = row is not None and row.holder != self.name and row.epoch > epoch
        if not self.rescuing:
            self.district.acts.append(Act(self.baton.now_s, self.name, call, deposed, self.freezes))

    # -- the wiring ----------------------------------------------------------------------------

    def _journal(self, wire: str) -> Journal:
        journal = MemoryJournal(self.district.database, self.name)
        return cast("Journal", ByWire(journal, self.wires[wire], self.district.answered))

    def _leases(self, wire: str) -> Leases:
        return cast("Leases", self._journal(wire))

    def _worker(self, engine: Engine) -> Worker:
        journal, log = self._journal("worker"), self.log.bind(target=NAME)
        outside = Outside(
            instance=self.name,
            target=self.district.target,
            timing=TIMING,
            engine=engine,
            git=FakeGit(),
            prober=FakeProber(),
            journal=journal,
            tenure=self.tenure,
            clock=self,
            metrics=FakeMetrics(),
            log=Audit(log, Epoch(self.tenure)),
            stopping=self.stopping.is_set,
        )
        self.timer = Timer(self)
        worker = Worker(reconciler(outside), journal, self.timer, self, log, TIMING, self.stopping)
        worker._wakened = BatonEvent(self.baton)
        return worker

    def _listener(self) -> Listener:
        return Listener(
            ear=self.ear,
            leases=self._leases("pulse"),
            clock=self,
            log=self.log,
            metrics=FakeMetrics(),
            timing=TIMING,
            instance=self.name,
            poke=self._poke,
            moved=self._moved,
            stopping=self.stopping,
        )

    def _keeper(self, engine: Engine) -> Keeper:
        keeper = Keeper(
            tenure=self.tenure,
            engine=engine,
            clock=self,
            log=self.log,
            every_s=TIMING.lease_s / 5,
            gained=lambda _, wake: self.worker.poke(wake),
            stopping=self.stopping,
        )
        keeper._wakened, keeper.tried = BatonEvent(self.baton), BatonEvent(self.baton)
        return keeper

    def _lifecycle(self, engine: Engine) -> Lifecycle:
        return Lifecycle(
            workers=[self.worker],
            listener=self.listener,
            pulse=self.pulse,
            keepers=[self.keeper],
            timer=self.timer,
            journal=self._journal("worker"),
            supervisor=FakeSupervisor(),
            log=self.log,
            timing=TIMING,
            watchdog_s=None,
            hurry=lambda: None,
            rescue=partial(self._rescue, engine),
            stopping=self.stopping,
        )

    def _main(self) -> None:
        self.baton.spawn(self.name, "keeper", self.keeper.run)
        self.lifecycle._first_things()
        self.timer.every("poll", TIMING.suspect_poll_s, self.lifecycle._poll)
        for loop in ("listener", "pulse", "worker", "timer"):
            self.baton.spawn(self.name, loop, getattr(self, loop).run)

    def _poke(self, wake: Wake) -> None:
        if wake in ("lease", "reconnect"):
            self.keeper.wake()
        if wake != "lease":
            self.worker.poke(wake)

    def _moved(self, state: ListenerState) -> None:
        if state in ("suspect", "connecting"):
            for wire in self.wires.values():
                wire.stranded = False
        self.lifecycle.listener_moved(state)

    def _rescue(self, engine: Engine) -> None:
        self.rescuing = True
        try:
            rescue(engine, self.district.target, self.name, self.log)
        except EngineError as error:
            self.log.warning("target.unrescued", error=str(error))
        finally:
            self.rescuing = False


class Timer:
    """The port `Timer`, as a thread in virtual time."""

    def __init__(self, daemon: Daemon) -> None:
        self._baton = daemon.baton
        self._changed = BatonEvent(daemon.baton)
        self._jobs: dict[str, tuple[float, float | None, Callable[[], None]]] = {}

    def every(self, name: str, seconds: float, call: Callable[[], None]) -> None:
        """In place of an earlier one of that name."""
        self._jobs[name] = (self._baton.now_s + seconds, seconds, call)
        self._changed.set()

    def at(self, name: str, delay_s: float, call: Callable[[], None]) -> None:
        """Once, in place of an earlier one of that name."""
        self._jobs[name] = (self._baton.now_s + delay_s, None, call)
        self._changed.set()

    def start(self) -> None:
        """With the other threads."""

    def ticks(self) -> bool:
        """As long as the process lives."""
        return True

    def revive(self) -> None:
        """Never."""

    def stop(self) -> None:
        """Never: it is killed."""

    def run(self) -> None:
        """The thread's body."""
        while True:
            self._changed.clear()
            due = [name for name, job in self._jobs.items() if job[0] <= self._baton.now_s]
            for name in due:
                _, period_s, call = self._jobs.pop(name)
                if period_s is not None:
                    self._jobs[name] = (self._baton.now_s + period_s, period_s, call)
                call()
            if not due:
                next_s = min((job[0] for job in self._jobs.values()), default=None)
                self._changed.wait(None if next_s is None else next_s - self._baton.now_s)
