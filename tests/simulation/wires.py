"""What lies between a daemon and the outside: wires to the database and to the engine.

Requests and answers take a moment each; either may be lost, or be held back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from refitd.errors import DatabaseUnavailable
from tests.contracts.memory_journal import MemoryJournal
from tests.simulation.baton import BatonEvent

if TYPE_CHECKING:
    from tests.simulation.member import Daemon

#: After this much silence a statement is given up, as `adapters.postgres.wire` has it.
DEADLINE_S = 5.0
#: After this much where nobody serves meanwhile.
BRIEFLY_S = 1.0
Way = Literal["up", "refused", "silent"]

#: Calls that change something about containers, or about what will be started next.
ACTS = frozenset(
    {
        *("create", "start", "stop", "restart", "pause", "unpause", "remove", "rename"),
        *("set_restart_policy", "connect", "disconnect", "tag", "remove_image"),
    }
)


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


class ByWire:
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


class FarEngine:
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
