"""APScheduler behind `ports.Timer`: it calls ticks, and decides nothing.

Seven of its habits would each lose a wake-up or a thread, and are met here:

* A job that comes due later than `misfire_grace_time` (1 s) is dropped, and so is its last
  run: a busy pool or a suspended laptop is enough. `None` runs it however late.
* A job that comes due while its last run goes on is dropped (`max_instances`). Jobs must be
  quick ticks that set a flag; where one was dropped all the same, `on_trouble` hears of it.
* `add_job(replace_existing=True)` before `start()` keeps both copies. So nothing is handed to
  the scheduler before it runs.
* `shutdown()` while a date job is being handed out makes the scheduler's thread die of a
  `JobLookupError`: it looks for the job to remove in the wrong list.
* `shutdown()` waits for the ticks that run while it holds the lock that `add_job` asks for: a tick
  that sets another would wait for it, and it for the tick, for ever. So it is not it that waits.
* A date job re-added on each event slides away for ever under a steady stream. That is for
  the caller to know: debouncing is `core.debounce`, and not this.

Due times are on the wall clock, which may be stepped: an hour back would make every tick an hour
late. So the scheduler looks each second whether the wall clock still goes with `CLOCK_BOOTTIME`,
and after a step calls all jobs at once. A tick too many is harmless.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from threading import Lock, Thread

# APScheduler 3 has no types; this file is the only one that knows it.
from apscheduler.events import (  # type: ignore[import-untyped]
    EVENT_JOB_ERROR,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
    JobEvent,
)
from apscheduler.executors.pool import ThreadPoolExecutor  # type: ignore[import-untyped]
from apscheduler.jobstores.base import JobLookupError  # type: ignore[import-untyped]
from apscheduler.schedulers.background import BackgroundScheduler  # type: ignore[import-untyped]

#: How often the clocks are compared, and how far apart they may drift in that time.
_LOOK_S, _DRIFT_S = 1.0, 0.5

_TROUBLE = {
    EVENT_JOB_ERROR: "failed",
    EVENT_JOB_MISSED: "missed",
    EVENT_JOB_MAX_INSTANCES: "still_running",
}


def _offset_s() -> float:
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


class _Scheduler(BackgroundScheduler):  # type: ignore[misc]  # untyped, as said above
    _known_offset_s: float | None = None
    _thread: Thread | None = None

    def _process_jobs(self) -> float:
        """What the scheduler's thread does whenever it wakes; the answer is how long it sleeps."""
        offset_s = _offset_s()
        known_s, self._known_offset_s = self._known_offset_s, offset_s
        if known_s is not None and abs(offset_s - known_s) > _DRIFT_S:
            for job in self.get_jobs():
                job.modify(next_run_time=datetime.now(UTC))
        left_s = super()._process_jobs()
        return _LOOK_S if left_s is None else min(left_s, _LOOK_S)

    def remove_job(self, job_id: str, jobstore: str | None = None) -> None:
        """That it is gone is all that is wanted."""
        with suppress(JobLookupError):
            super().remove_job(job_id, jobstore)

    def ticks(self) -> bool:
        """Whether its thread lives."""
        return self._thread is not None and self._thread.is_alive()

    def revive(self) -> None:
        """A new thread for the jobs there are, where the last one died of an error."""
        if self.running and not self.ticks():
            self._thread = Thread(target=self._main_loop, name="APScheduler", daemon=True)
            self._thread.start()
            self.wakeup()  # it begins with a long wait


class SchedulerTimer:
    """`ports.Timer` on a scheduler and a thread pool of its own.

    `on_trouble(job, what, error)` is called when a job failed, was missed or was still running
    when it came due again; what it means for the job's purpose is for the caller to mend.
    """

    def __init__(
        self,
        on_trouble: Callable[[str, str, BaseException | None], None],
        threads: int = 4,
    ) -> None:
        self._on_trouble = on_trouble
        self._lock = Lock()
        self._started = False
        self._waiting: list[Callable[[], None]] = []
        self._pool = ThreadPoolExecutor(threads)
        self._scheduler = _Scheduler(
            executors={"default": self._pool},
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
            timezone=UTC,
            daemon=True,
        )
        self._scheduler.add_listener(self._heard, sum(_TROUBLE))

    def every(self, name: str, seconds: float, call: Callable[[], None]) -> None:
        """Again and again, first after `seconds`."""
        self._soon(lambda: self._add(name, call, "interval", seconds=seconds))

    def at(self, name: str, delay_s: float, call: Callable[[], None]) -> None:
        """Once; the delay counts from now, not from `start`."""
        due = datetime.now(UTC) + timedelta(seconds=delay_s)
        self._soon(lambda: self._add(name, call, "date", run_date=due))

    def start(self) -> None:
        self._scheduler.start()
        with self._lock:
            self._started = True
            waiting, self._waiting = self._waiting, []
        for add in waiting:
            add()

    def ticks(self) -> bool:
        """Whether anything will ever be called; a scheduler whose thread died says nothing."""
        return bool(self._scheduler.ticks())

    def revive(self) -> None:
        """Go on with all that was asked for."""
        self._scheduler.revive()

    def stop(self) -> None:
        """No tick begins after this; one that runs is waited for."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
            self._pool.shutdown(wait=True)

    def _soon(self, add: Callable[[], None]) -> None:
        with self._lock:
            if not self._started:
                self._waiting.append(add)
                return
        add()

    def _add(self, name: str, call: Callable[[], None], trigger: str, **when: object) -> None:
        self._scheduler.add_job(call, trigger, id=name, replace_existing=True, **when)

    def _heard(self, event: JobEvent) -> None:
        self._on_trouble(event.job_id, _TROUBLE[event.code], getattr(event, "exception", None))
