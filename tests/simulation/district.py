"""Some daemons on one target: a database, an engine, and wires that go wrong.

All that runs here is the daemon's own code: the listener, the pulse, the keeper, the worker, and
all that a worker calls. The database, the engine and time are the models that the contract
suites hold to the real ones. Each daemon has four connections to the database, as the real one,
each of which can be cut by itself.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, cast

from refitd.core.deployment import Wake
from refitd.core.module import Row
from refitd.core.target import Health, Target, Timing
from refitd.errors import DatabaseUnavailable, EngineError
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
from tests.contracts.memory_journal import MemoryDatabase, MemoryJournal
from tests.contracts.model_container import Behaviour
from tests.contracts.model_engine import ModelEngine
from tests.shell.fakes import FakeGit, FakeLog, FakeMetrics, FakeProber, FakeSupervisor
from tests.shell.house import BILLING, CRM, NAME, PORTS, TARGET
from tests.simulation.baton import Baton, BatonEvent, BatonLock

TIMING = Timing()
#: After this much silence a statement is given up, as `adapters.postgres.wire` has it.
DEADLINE_S = 5.0
#: After this much where nobody serves meanwhile.
BRIEFLY_S = 1.0
#: So long may it take to find out that a connection is half-open.
HALF_OPEN_S = 8.0
Way = Literal["up", "refused", "silent"]

#: Calls that change something about containers, or about what will be started next.
ACTS = frozenset(
    {
        *("create", "start", "stop", "restart", "pause", "unpause", "remove", "rename"),
        *("set_restart_policy", "connect", "disconnect", "tag", "remove_image"),
    }
)


@dataclass(frozen=True)
class Act:
    """One call that changed something, and who held the lease as it was carried out."""

    at_s: float
    daemon: str
    call: str
    deposed: bool
    #: How often its caller had been frozen by then.
    freezes: int


class District:
    """The world, and the daemons in it by name."""

    def __init__(self, seed: int, target: Target | None = None, build_s: float = 4.0) -> None:
        self.dice = random.Random(seed)  # noqa: S311 - a history, not a secret
        self.target = target or replace(
            TARGET, watch_s=5.0, health=Health(deadline_s=20.0, interval_s=0.5)
        )
        self.build_s = build_s
        self.database = MemoryDatabase(notify=self._notify)
        self.baton = Baton(self._pass)
        self.engine = ModelEngine(lambda: self.baton.now_s)
        self.acts: list[Act] = []
        self.daemons: dict[str, Daemon] = {}
        self.frozen: set[str] = set()
        #: By the change's number: when it was committed, when it was answered for, and how long it
        #: waited while somebody could have done so.
        self.committed_at: dict[int, float] = {}
        self.taken_at: dict[int, float] = {}
        self.waited_s: dict[int, float] = {}
        #: Changes whose notification was lost on the way.
        self.unheard: set[int] = set()
        #: By the container's id: what was switched on as it was last started by somebody here.
        self.read: dict[str, frozenset[str]] = {}
        self.uncommitted: list[tuple[int, tuple[Row, ...]]] = []
        self._copies = 1
        self.database.rows[NAME] = (BILLING, CRM)
        self.engine.add_image("api:latest", behaviour=Behaviour("healthy", 1.0))
        policy = {"RestartPolicy": {"Name": "always", "MaximumRetryCount": 0}}
        self.engine.run("api", "api:latest", HostConfig=policy | PORTS)
        self.baton.run(5.0)

    def start(self, name: str) -> None:
        """`refitd run`, on its own machine."""
        self.daemons[name] = Daemon(self, name)

    def kill(self, name: str) -> None:
        """SIGKILL."""
        self.frozen.discard(name)
        self.daemons.pop(name).die()
        self.baton.kill(name)

    def freeze(self, name: str) -> None:
        """SIGSTOP."""
        self.daemons[name].freezes += 1
        self.baton.freeze(name)
        self.frozen.add(name)

    def thaw(self, name: str) -> None:
        """SIGCONT."""
        self.baton.thaw(name)
        self.frozen.discard(name)

    # -- the panel -----------------------------------------------------------------------------

    def write(self, table: tuple[Row, ...], copies: int = 1) -> None:
        """One commit; its notification arrives so many times."""
        self._copies = copies
        self.database.write(NAME, *table)
        self._copies = 1
        for id_ in self.database.changes.keys() - self.committed_at.keys():
            self.committed_at[id_], self.waited_s[id_] = self.baton.now_s, 0.0
            if not copies:
                self.unheard.add(id_)

    def begin_write(self, table: tuple[Row, ...]) -> None:
        """A statement in a transaction that is not committed yet: it has its number already."""
        self.uncommitted.append((self.database.reserve(), table))

    def commit(self) -> None:
        """The oldest of these."""
        self.database.next_id, table = self.uncommitted.pop(0)
        self.write(table)
        self.database.next_id = None

    # -- what is seen of it --------------------------------------------------------------------

    def answered(self) -> None:
        """Somebody wrote down what was done about changes."""
        for id_, row in self.database.changes.items():
            if row.handled:
                self.taken_at.setdefault(id_, self.baton.now_s)

    def started(self, id_: str) -> None:
        """A backend was started: it reads what is switched on, now and never again."""
        container = self.engine.container(id_)
        assert container
        self.read[container.id] = frozenset(
            r.id or "" for r in self.database.rows[NAME] if r.enabled
        )

    def _pass(self, seconds: float) -> None:
        if self._at_leisure():
            for id_ in self.waited_s.keys() - self.taken_at.keys():
                self.waited_s[id_] += seconds
        self.database.advance(seconds)

    def _at_leisure(self) -> bool:
        """Whether the holder of the lease is there, can be reached, and has nothing else to do."""
        daemon = self.daemons.get(self.holder() or "")
        busy = any(each.finished_at is None for each in self.database.deployments.values())
        return daemon is not None and daemon.is_well() and not busy

    def _notify(self, channel: str, payload: str) -> None:
        for _ in range(self._copies if channel == "refitd" else 1):
            for daemon in self.daemons.values():
                daemon.ear.deliver(channel, payload)

    def holder(self) -> str | None:
        """Whose lease it is, in the database's eyes."""
        row = self.database.leases.get(NAME)
        return row.holder if row and row.expires_at > self.database.at else None


class Wire:
    """One connection to the database. Requests and answers take a moment; either may be lost."""

    def __init__(self, daemon: Daemon, name: str) -> None:
        self._daemon, self.name = daemon, name
        self.stranded = False
        self.patience_s = DEADLINE_S

    def carry(self, call: Callable[[], Any]) -> Any:
        """There and back."""
        self._leg()
        try:
            answer = call()
        except DatabaseUnavailable:
            raise
        except Exception:
            self._leg()
            raise
        self._leg()
        return answer

    def _leg(self) -> None:
        baton, district = self._daemon.baton, self._daemon.district
        if self._daemon.way == "refused":
            raise DatabaseUnavailable(f"{self.name}: connection refused")
        if self._daemon.way == "silent" or self.stranded:
            baton.sleep(self.patience_s)
            self.stranded = False
            raise DatabaseUnavailable(f"{self.name}: it fell silent, and was hung up on")
        baton.sleep(district.dice.choice((0.001, 0.002, 0.02)))


class _ByWire:
    """Whatever is called goes by that wire."""

    def __init__(self, journal: MemoryJournal, wire: Wire, answered: Callable[[], None]) -> None:
        self._journal, self._wire, self._answered = journal, wire, answered

    @contextmanager
    def briefly(self) -> Iterator[None]:
        """No longer than a moment."""
        self._wire.patience_s = BRIEFLY_S
        try:
            yield
        finally:
            self._wire.patience_s = DEADLINE_S

    def __getattr__(self, name: str) -> Any:  # any of two ports' methods
        call = getattr(self._journal, name)

        def carried(*args: Any, **kwargs: Any) -> Any:
            answer = call(*args, **kwargs)
            if name in ("open", "acknowledge"):
                self._answered()
            return answer

        return lambda *args, **kwargs: self._wire.carry(partial(carried, *args, **kwargs))


class _Engine:
    """The engine as one daemon reaches it; what is changed by it is noted as it happens."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    def __getattr__(self, name: str) -> Any:  # any of the port's methods
        return partial(self._call, name)

    def _call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        daemon, district = self._daemon, self._daemon.district
        if name == "build":
            daemon.baton.sleep(district.build_s)
        daemon.baton.sleep(district.dice.choice((0.001, 0.01, 0.1)))
        if name in ACTS:
            daemon.note(name)
        try:
            answer = getattr(district.engine, name)(*args, **kwargs)
            if name in ("start", "restart"):
                district.started(args[0])
            return answer
        finally:
            daemon.baton.sleep(district.dice.choice((0.001, 0.01, 0.1)))


class Ear:
    """The port `Ear`, in virtual time."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon, self._wire = daemon, Wire(daemon, "listener")
        self._arrived = BatonEvent(daemon.baton)
        self._queue: list[tuple[str, str]] = []
        self._listens = self._ended = False

    def open(self) -> None:
        """LISTEN, and a moment's proof."""
        self._wire.stranded = self._ended = False
        self._queue.clear()
        self._wire.carry(self._listen)
        self._wire.carry(lambda: None)

    def _listen(self) -> None:
        self._listens = True

    def hear(self, timeout_s: float) -> Sequence[tuple[str, str]]:
        """What has come."""
        if not self._queue and not self._ended:
            self._arrived.clear()
            self._arrived.wait(timeout_s)
        if self._ended:
            raise DatabaseUnavailable("listener: the connection was closed")
        heard, self._queue = self._queue, []
        return heard

    def close(self) -> None:
        """At once."""
        self._listens = False

    def deliver(self, channel: str, payload: str) -> None:
        """What a commit sends to each session that LISTENs."""
        if self._listens and not self._wire.stranded and channel != "refitd_status":
            self._queue.append((channel, payload))
            self._arrived.set()

    def strand(self) -> None:
        """Open, and nothing gets through any more."""
        self._wire.stranded = True

    def end(self) -> None:
        """The server process is terminated, or the wire is reset."""
        self._ended = True
        self._arrived.set()


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
        engine = cast("Engine", _Engine(self))
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
        return cast("Journal", _ByWire(journal, self.wires[wire], self.district.answered))

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


def rows(*specs: tuple[str, bool]) -> tuple[Row, ...]:
    """Modules by id, each on or off."""
    return tuple(Row(id_, None, enabled=on) for id_, on in specs)
