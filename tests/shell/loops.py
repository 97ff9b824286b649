"""All loops of a daemon, on fakes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from refitd.core.target import Timing
from refitd.shell.keeper import Keeper
from refitd.shell.lifecycle import Lifecycle
from refitd.shell.listen import Listener, ListenerState
from refitd.shell.pulse import Pulse
from refitd.shell.tenure import Tenure
from tests.shell.fakes import FakeEar, FakeSupervisor, FakeTimer
from tests.shell.house import House


class Daemon:
    """All loops of a house; `hear` is done once, where the listener hears."""

    def __init__(self, *, hear: Callable[[], list[tuple[str, str]]] | None = None) -> None:
        self.house = House(timing=Timing())
        house, self.stopping = self.house, self.house.stopping
        self.timer, self.supervisor = FakeTimer(house.clock), FakeSupervisor()
        self.rescues = 0
        self.worker = house.worker(self.timer)
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
