"""The outside world of the shell, in memory and in virtual time.

Nothing here waits: `sleep` moves the one clock on, and with it the database's and the model
engine's, so that containers get healthy and leases run out. The engine and the journal are
those of `tests.contracts`, held to the same contracts as the real ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn

from refitd.core.container import Container
from refitd.core.target import HttpProbe, Source
from refitd.errors import EngineUnavailable, RefitdError
from tests.contracts.memory_journal import MemoryDatabase
from tests.contracts.model_engine import ModelEngine

Moment = Literal["before", "after"]


class Killed(BaseException):
    """The daemon dies: no handler of errors gets to see this one."""


class FakeClock:
    """One clock for all. `hooks` are called whenever time has passed, as other threads would."""

    def __init__(self, database: MemoryDatabase) -> None:
        self.time_s = 1000.0
        self.hooks: list[Callable[[], object]] = []
        self._database = database

    def now_s(self) -> float:
        """The time."""
        return self.time_s

    def sleep(self, seconds: float) -> None:
        """At once, and later."""
        self.time_s += seconds
        self._database.advance(seconds)
        for hook in list(self.hooks):
            hook()

    def dice(self) -> float:
        """Always the same."""
        return 0.0


class FakeGit:
    """A remote with one branch."""

    def __init__(self) -> None:
        self.head = "c" * 40
        self.error: Exception | None = None

    def commit(self, source: Source) -> str:
        """Where it points."""
        del source
        if self.error:
            raise self.error
        return self.head

    def check_subdir(self, source: Source, commit: str) -> None:
        """There is every folder."""

    @contextmanager
    def checkout(self, source: Source, commit: str) -> Iterator[str]:
        """A folder that nobody looks into."""
        yield f"/checkout/{source.subdir}@{commit}"


class FakeProber:
    """Answers as it is told, by address; what is not told is content."""

    def __init__(self) -> None:
        self.wrong: str | None = None
        self.asked: list[str] = []

    def http(self, address: str, probe: HttpProbe, timeout_s: float) -> str | None:
        """By HTTP."""
        del timeout_s
        self.asked.append(f"http {address}:{probe.port}")
        return self.wrong

    def tcp(self, address: str, port: int, timeout_s: float) -> str | None:
        """By a connection."""
        del timeout_s
        self.asked.append(f"tcp {address}:{port}")
        return self.wrong


@dataclass
class FakeLog:
    """Keeps all that is said, in one list for all bound ones."""

    said: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    context: dict[str, object] = field(default_factory=dict)

    def bind(self, **context: object) -> FakeLog:
        """Into the same list."""
        return FakeLog(self.said, {**self.context, **context})

    def info(self, event: str, **facts: object) -> None:
        """As expected."""
        self.said.append(("info", event, {**self.context, **facts}))

    def warning(self, event: str, **facts: object) -> None:
        """Trouble."""
        self.said.append(("warning", event, {**self.context, **facts}))

    def error(self, event: str, **facts: object) -> None:
        """Worse."""
        self.said.append(("error", event, {**self.context, **facts}))

    def facts(self, event: str) -> list[dict[str, Any]]:
        """What was said under that name."""
        return [facts for _, name, facts in self.said if name == event]


@dataclass
class FakeMetrics:
    """Numbers, as they came."""

    looks: list[str] = field(default_factory=list)
    ends: list[tuple[str, str]] = field(default_factory=list)
    outages: list[float] = field(default_factory=list)
    states: list[str] = field(default_factory=list)

    def looked(self, target: str, wake: str) -> None:
        """One look."""
        del target
        self.looks.append(wake)

    def ended(self, target: str, action: str, state: str, duration_s: float) -> None:
        """One deployment."""
        del target, duration_s
        self.ends.append((action, state))

    def outage(self, target: str, seconds: float) -> None:
        """One outage."""
        del target
        self.outages.append(seconds)

    def listener_state(self, state: str) -> None:
        """One move."""
        self.states.append(state)


class FakeTimer:
    """Jobs on a fake clock: `run_until` lets them fall due in order."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._once: dict[str, tuple[float, Callable[[], None]]] = {}
        self.periods: dict[str, float] = {}
        self.calls: dict[str, Callable[[], None]] = {}
        self.running, self.alive = False, True

    def every(self, name: str, seconds: float, call: Callable[[], None]) -> None:
        """Only noted: a test calls it itself."""
        self.periods[name], self.calls[name] = seconds, call

    def at(self, name: str, delay_s: float, call: Callable[[], None]) -> None:
        """Once, in place of an earlier one of that name."""
        self._once[name] = (self._clock.now_s() + delay_s, call)

    def lose(self) -> None:
        """Nothing that was set falls due."""
        self._once.clear()

    def start(self) -> None:
        """Ready."""
        self.running = True

    def ticks(self) -> bool:
        """As a test says."""
        return self.alive

    def revive(self) -> None:
        """Again."""
        self.alive = True

    def stop(self) -> None:
        """No more."""
        self.running = False

    @property
    def next_s(self) -> float | None:
        """When the next one falls due."""
        return min((due_s for due_s, _ in self._once.values()), default=None)

    def due_in(self, name: str) -> float | None:
        """Seconds until that one falls due."""
        return self._once[name][0] - self._clock.now_s() if name in self._once else None

    def fire(self) -> None:
        """Let the next one fall due."""
        name = min(self._once, key=lambda name: self._once[name][0])
        due_s, call = self._once.pop(name)
        self._clock.sleep(max(0.0, due_s - self._clock.now_s()))
        call()


class FakeSupervisor:
    """What systemd would be told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.beats = 0

    def ready(self) -> None:
        """READY=1."""
        self.told.append("ready")

    def status(self, text: str) -> None:
        """STATUS=…"""
        self.told.append(text)

    def alive(self) -> None:
        """WATCHDOG=1."""
        self.beats += 1

    def stopping(self) -> None:
        """STOPPING=1."""
        self.told.append("stopping")


class FakeEar:
    """A connection that hears what a test says; an exception in the script is a broken wire."""

    def __init__(self, script: Iterable[object] = ()) -> None:
        self.script = iter(script)
        self.opened = 0
        self.closed = 0
        self.refusals: list[RefitdError] = []

    def open(self) -> None:
        """Fails as often as there are refusals."""
        self.opened += 1
        if self.refusals:
            raise self.refusals.pop(0)

    def hear(self, timeout_s: float) -> Sequence[tuple[str, str]]:
        """The next of the script: notifications, an error, or something to be done."""
        del timeout_s
        item = next(self.script)
        if isinstance(item, BaseException):
            raise item
        if callable(item):
            item = item()
        assert isinstance(item, list)
        return item

    def close(self) -> None:
        """At once."""
        self.closed += 1


class MortalEngine(ModelEngine):
    """Before or after a chosen changing call the daemon that uses it is killed, or it dies itself
    and comes back."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock.now_s)
        self.count = 0
        self.kill_at: tuple[int, Moment] | None = None
        self.victim: Literal["daemon", "engine"] = "daemon"
        self.dead = False
        #: Called with (name, arguments) before each changing call.
        self.spy: Callable[[str, tuple[str, ...]], None] = lambda _name, _args: None
        #: Called before and after each changing call, which it may make fail.
        self.fate: Callable[[Moment], None] = lambda _when: None

    def arm(
        self,
        at: int,
        when: Moment,
        victim: Literal["daemon", "engine"] = "daemon",
    ) -> None:
        """The `at`-th changing call from now on is the last one of this life."""
        self.count, self.kill_at, self.victim = 0, (at, when), victim

    def revive(self) -> None:
        """A new daemon comes."""
        self.dead, self.kill_at = False, None

    def unobserved(self) -> tuple[Container, ...]:
        """Every container, whether or not there is a daemon to look."""
        return tuple(self._seen(id_) for id_ in self._containers)

    def kill(self) -> NoReturn:
        """The daemon, in the middle of the call."""
        self.dead = True
        raise Killed

    @contextmanager
    def _call(self, name: str, *args: str) -> Iterator[None]:
        if self.dead:
            raise Killed
        if not args:
            with super()._call(name):
                yield
            return
        self.count += 1
        self.spy(name, args)
        self._die("before")
        self.fate("before")
        with super()._call(name, *args):
            yield
        self._die("after")
        self.fate("after")

    def _die(self, when: Moment) -> None:
        if self.kill_at != (self.count, when):
            return
        if self.victim == "daemon":
            self.kill()
        self.kill_at = None
        self.die()
        raise EngineUnavailable("the model was killed, and is back")
