"""How long nobody served: measured by trying, or bounded from above."""

from __future__ import annotations

import threading
from typing import Any

from refitd.core.container import Container
from refitd.core.proof import PROVEN
from refitd.core.seen import Seen
from refitd.core.target import HttpProbe
from refitd.shell.outage import OutageMeter, first_port
from tests.contracts.memory_journal import MemoryDatabase
from tests.core.world import goal_of
from tests.shell.fakes import FakeClock

HOME: dict[str, Any] = {
    "Config": {"ExposedPorts": {"9090/tcp": {}, "80/tcp": {}, "53/udp": {}}},
    "NetworkSettings": {"Networks": {"web": {"IPAddress": "127.0.0.9"}}},
}
OLD = Container("old", "api", "i", "running", inspect=HOME)
STOPPED = Container("old", "api", "i", "exited", inspect=HOME)
NEW = Container("new", "api-successor-41", "i", "running", inspect=HOME)


class Door:
    """Answers or not, as it is set, and tells that it was tried."""

    def __init__(self) -> None:
        self.answers = True
        self.tried = threading.Event()
        self.addresses: set[str] = set()

    def tcp(self, address: str, port: int, timeout_s: float) -> str | None:
        """A try."""
        del timeout_s
        self.addresses.add(f"{address}:{port}")
        self.tried.set()
        return None if self.answers else "refused"

    def http(self, address: str, probe: HttpProbe, timeout_s: float) -> str | None:
        """Nobody asks."""
        raise NotImplementedError

    def wait_for_tries(self) -> None:
        """Until it was tried anew, twice: one may have begun before."""
        for _ in range(2):
            self.tried.clear()
            assert self.tried.wait(10)


def meter(port: int | None = None) -> tuple[OutageMeter, Door, FakeClock]:
    """One, and what it tries."""
    clock = FakeClock(MemoryDatabase())
    door = Door()
    return OutageMeter(door, clock, port), door, clock


def test_nothing_was_stopped() -> None:
    """Where nothing was about to stop, there is nothing to tell."""
    one, _, _ = meter()
    one.note(goal_of(), Seen(OLD))

    assert one.end() is None


def test_measured() -> None:
    """The longest stretch without an answer."""
    one, door, clock = meter()
    one.begin(Seen(OLD))
    one.begin(Seen(OLD))
    door.wait_for_tries()
    door.answers = False
    door.wait_for_tries()
    clock.sleep(0.75)
    one.note(goal_of(), Seen(STOPPED, NEW))
    door.answers = True
    door.wait_for_tries()
    one.note(goal_of(), Seen(STOPPED, NEW, verdicts={"new": PROVEN}))

    assert one.end() == 0.75
    assert door.addresses == {"127.0.0.9:80"}
    assert one.end() is None


def test_bounded() -> None:
    """Where no port is known, it is at most the time from the stop to the proof."""
    one, door, clock = meter()
    bare = Container("old", "api", "i", "running")
    one.begin(Seen(bare))
    clock.sleep(3.0)
    one.note(goal_of(), Seen(STOPPED, NEW))
    one.note(goal_of(), Seen(STOPPED, NEW, verdicts={"new": PROVEN}))
    clock.sleep(5.0)

    assert one.end() == 3.0
    assert door.addresses == set()


def test_never_answered() -> None:
    """Where it cannot be reached from here, the bound stands."""
    one, door, clock = meter(8000)
    door.answers = False
    one.begin(Seen(OLD))
    clock.sleep(2.0)
    door.wait_for_tries()

    assert one.end() == 2.0
    assert door.addresses == {"127.0.0.9:8000"}


def test_first_port() -> None:
    """The lowest TCP port that is exposed."""
    assert first_port(OLD) == 80
    assert first_port(Container("c", "n", "i", "running")) is None
