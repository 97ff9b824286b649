"""A worker at work, without its thread."""

from __future__ import annotations

from tests.shell.fakes import FakeTimer
from tests.shell.house import House


class Shift:
    """A worker in a house, without its thread: `work` is what that would do."""

    def __init__(self, house: House | None = None) -> None:
        self.house = house or House()
        self.timer = FakeTimer(self.house.clock)
        self.house.database.notify = self._hear
        self.worker = self.house.worker(self.timer)

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
