"""Virtual time for code that thinks it has threads: one runs at a time, and none ever waits.

Each loop of a daemon is a real thread that only runs while it holds the baton. Where it would
wait (for time, an event, an answer) it hands the baton back and says until when; the clock then
leaps to whatever is due next. So the bodies that run are those of the daemon itself, a minute
takes milliseconds, and the same choices give the same run.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Self


class Killed(BaseException):
    """The process is gone: no handler of errors gets to see this one."""


class _Task:
    """One thread, and when it wants the baton again."""

    def __init__(self, owner: str, name: str, wake_s: float) -> None:
        self.owner, self.name, self.wake_s = owner, name, wake_s
        self.baton = threading.Semaphore(0)
        self.killed = self.ended = False
        self.error: BaseException | None = None


class Baton:
    """Who runs, and what time it is."""

    def __init__(self, passed: Callable[[float], None]) -> None:
        self.now_s = 1000.0
        self._passed = passed
        self._tasks: list[_Task] = []
        self._frozen: set[str] = set()
        self._current: _Task | None = None
        self._back = threading.Semaphore(0)

    # -- for the test --------------------------------------------------------------------------

    def spawn(self, owner: str, name: str, body: Callable[[], None]) -> None:
        """A new thread of that process; runs when the clock does."""
        task = _Task(owner, name, self.now_s)

        def guarded() -> None:
            task.baton.acquire()
            try:
                if not task.killed:
                    body()
            except Killed:
                pass
            except BaseException as error:  # noqa: BLE001 - told to the test, in its own thread
                task.error = error
            task.ended = True
            self._back.release()

        self._tasks.append(task)
        threading.Thread(target=guarded, name=f"{owner} {name}", daemon=True).start()

    def run(self, seconds: float) -> None:
        """Let that much time pass, and everything happen that falls due in it."""
        end_s = self.now_s + seconds
        while (task := self._due(end_s)) is not None:
            self._leap(task.wake_s)
            self._hand(task)
        self._leap(end_s)

    def kill(self, owner: str) -> None:
        """SIGKILL: nothing of it runs any more."""
        for task in [each for each in self._tasks if each.owner == owner]:
            task.killed = True
            self._hand(task)
        self._frozen.discard(owner)

    def freeze(self, owner: str) -> None:
        """SIGSTOP: its clock goes on, and nothing else of it."""
        self._frozen.add(owner)

    def thaw(self, owner: str) -> None:
        """SIGCONT."""
        self._frozen.discard(owner)

    # -- for what runs -------------------------------------------------------------------------

    def sleep(self, seconds: float) -> None:
        """The running thread waits."""
        self.wait_until(self.now_s + seconds)

    def wait_until(self, until_s: float) -> None:
        """The running thread hands the baton back, and wants it again by then."""
        task = self.running
        if not task.killed:
            task.wake_s = until_s
            self._back.release()
            task.baton.acquire()
        if task.killed:
            raise Killed

    @property
    def running(self) -> _Task:
        """The thread that has the baton."""
        assert self._current is not None, "nobody runs: this is called from outside"
        return self._current

    def _due(self, end_s: float) -> _Task | None:
        ready = [
            task for task in self._tasks if task.wake_s <= end_s and task.owner not in self._frozen
        ]
        return min(ready, key=lambda task: task.wake_s, default=None)

    def _hand(self, task: _Task) -> None:
        self._current = task
        task.wake_s = math.inf
        task.baton.release()
        self._back.acquire()
        self._current = None
        if task.ended:
            self._tasks.remove(task)
        if task.error is not None:
            raise task.error

    def _leap(self, to_s: float) -> None:
        if to_s > self.now_s:
            seconds, self.now_s = to_s - self.now_s, to_s
            self._passed(seconds)


class BatonEvent(threading.Event):
    """As `threading.Event`, in virtual time."""

    def __init__(self, baton: Baton) -> None:
        super().__init__()
        self._baton = baton
        self._waiters: list[_Task] = []

    def set(self) -> None:
        """Whoever waits is due now."""
        super().set()
        for task in self._waiters:
            task.wake_s = min(task.wake_s, self._baton.now_s)

    def wait(self, timeout: float | None = None) -> bool:
        """Until it is set, or that much time has passed."""
        end_s = math.inf if timeout is None else self._baton.now_s + timeout
        task = self._baton.running
        self._waiters.append(task)
        try:
            while not self.is_set() and self._baton.now_s < end_s:
                self._baton.wait_until(end_s)
        finally:
            self._waiters.remove(task)
        return self.is_set()


class BatonLock:
    """As `threading.Lock`, for those held while somebody waits for an answer."""

    def __init__(self, baton: Baton) -> None:
        self._free = BatonEvent(baton)
        self._free.set()

    def __enter__(self) -> Self:
        while not self._free.is_set():
            self._free.wait()
        self._free.clear()
        return self

    def __exit__(self, *_: object) -> None:
        self._free.set()
