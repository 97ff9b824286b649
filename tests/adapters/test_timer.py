"""APScheduler as a timer: no wake-up is lost, and what goes wrong is heard of."""

from __future__ import annotations

import time
from collections.abc import Iterator
from queue import Queue
from threading import Event, Thread

import pytest

from refitd.adapters.timer import SchedulerTimer

SOON = 0.01
#: Long enough that nothing due in it comes in this test.
LATER = 3600.0
PATIENCE = 10.0

Trouble = Queue[tuple[str, str, BaseException | None]]


@pytest.fixture
def trouble() -> Trouble:
    """Give what the timer complained of."""
    return Queue()


@pytest.fixture
def timer(trouble: Trouble) -> Iterator[SchedulerTimer]:
    """Give a timer that has not been started, and stop it in the end."""
    timer = SchedulerTimer(lambda *what: trouble.put(what), threads=2)
    yield timer
    timer.stop()


def test_once_is_once(timer: SchedulerTimer) -> None:
    """`at` runs its call one time, off the caller's thread."""
    ran: Queue[str] = Queue()
    timer.start()
    timer.at("look", SOON, lambda: ran.put("first"))
    assert ran.get(timeout=PATIENCE) == "first"
    timer.at("look", SOON, lambda: ran.put("second"))
    assert ran.get(timeout=PATIENCE) == "second"
    assert ran.empty()


def test_every_goes_on(timer: SchedulerTimer) -> None:
    """`every` runs again and again, also after a run that failed."""
    ran: Queue[int] = Queue()

    def tick() -> None:
        ran.put(1)
        raise RuntimeError("this one went wrong")

    timer.start()
    timer.every("poll", SOON, tick)
    for _ in range(3):
        ran.get(timeout=PATIENCE)


def test_the_same_name_replaces(timer: SchedulerTimer, trouble: Trouble) -> None:
    """One job a name, before the start as well, where APScheduler would keep both copies."""
    ran: Queue[str] = Queue()
    timer.at("look", SOON, lambda: ran.put("replaced before the start"))
    timer.at("look", LATER, lambda: ran.put("replaced after the start"))
    timer.at("other", SOON, lambda: ran.put("other"))
    timer.start()
    timer.at("look", SOON, lambda: ran.put("last"))
    assert sorted([ran.get(timeout=PATIENCE), ran.get(timeout=PATIENCE)]) == ["last", "other"]
    assert ran.empty()
    assert trouble.empty()


def test_a_late_one_still_runs(timer: SchedulerTimer, trouble: Trouble) -> None:
    """Whatever keeps the scheduler from being on time, nothing is dropped as misfired."""
    ran: Queue[str] = Queue()
    timer.at("look", -LATER, lambda: ran.put("an hour late"))
    timer.every("poll", LATER, lambda: ran.put("not yet"))
    timer.start()
    assert ran.get(timeout=PATIENCE) == "an hour late"
    assert trouble.empty()


def test_a_job_that_fails_is_heard_of(timer: SchedulerTimer, trouble: Trouble) -> None:
    """With its name and its error."""

    def fail() -> None:
        raise RuntimeError("no")

    timer.start()
    timer.at("look", SOON, fail)
    job, what, error = trouble.get(timeout=PATIENCE)
    assert (job, what) == ("look", "failed")
    assert isinstance(error, RuntimeError)


def test_a_job_that_is_still_running_is_heard_of(timer: SchedulerTimer, trouble: Trouble) -> None:
    """A tick that was dropped because the last one hangs does not vanish in silence."""
    begun, release = Event(), Event()

    def hang() -> None:
        begun.set()
        release.wait(PATIENCE)

    timer.start()
    timer.every("poll", SOON, hang)
    assert begun.wait(PATIENCE)
    assert trouble.get(timeout=PATIENCE)[:2] == ("poll", "still_running")
    release.set()


def test_a_hanging_job_holds_up_no_other(timer: SchedulerTimer) -> None:
    """There are threads enough for all that tick."""
    release, ran = Event(), Event()
    timer.start()
    timer.at("hangs", 0, lambda: (release.wait(PATIENCE), None)[1])
    timer.at("look", SOON, ran.set)
    assert ran.wait(PATIENCE)
    release.set()


def test_after_stop_nothing_begins(timer: SchedulerTimer) -> None:
    """And what runs has ended."""
    begun, release, ended = Event(), Event(), Event()

    def work() -> None:
        begun.set()
        release.wait(PATIENCE)
        ended.set()

    timer.start()
    timer.at("work", 0, work)
    assert begun.wait(PATIENCE)
    release.set()
    timer.stop()
    assert ended.is_set()
    timer.stop()


def test_a_tick_that_sets_another_while_it_is_stopped(timer: SchedulerTimer) -> None:
    """Neither waits for the other: the stop waits for the tick, and that ends."""
    ticking, done = Event(), Event()

    def tick() -> None:
        ticking.set()
        for _ in range(500):  # the stop comes somewhere among them
            timer.at("another", LATER, done.set)
            time.sleep(0.001)
        done.set()

    timer.start()
    timer.at("one", 0.0, tick)
    assert ticking.wait(PATIENCE)
    stop = Thread(target=timer.stop, daemon=True)
    stop.start()
    stop.join(PATIENCE)

    assert not stop.is_alive()
    assert done.is_set()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_dies(timer: SchedulerTimer) -> None:
    """That its thread died is to be seen, and a new one goes on with what was asked for."""
    ran: Queue[int] = Queue()

    def die() -> float:
        raise RuntimeError("a mistake of the scheduler's")

    timer.start()
    timer.every("poll", SOON, lambda: ran.put(1))
    ran.get(timeout=PATIENCE)
    thread = timer._scheduler._thread
    assert thread
    timer._scheduler._process_jobs = die  # type: ignore[method-assign]
    thread.join(PATIENCE)
    assert not timer.ticks()
    del timer._scheduler._process_jobs
    while not ran.empty():
        ran.get()
    timer.revive()
    assert timer.ticks()
    ran.get(timeout=PATIENCE)


def test_a_step_of_the_wall_clock(timer: SchedulerTimer, monkeypatch: pytest.MonkeyPatch) -> None:
    """D5: an hour back or on, whatever waits for the wall clock is called soon, not an hour late."""
    ran: Queue[str] = Queue()
    timer.start()
    timer.at("look", LATER, lambda: ran.put("look"))
    timer.every("poll", LATER, lambda: ran.put("poll"))
    timer.at("now", SOON, lambda: ran.put("now"))
    assert ran.get(timeout=PATIENCE) == "now"
    wall_s = time.time
    monkeypatch.setattr(time, "time", lambda: wall_s() - 3600.0)
    assert sorted([ran.get(timeout=PATIENCE), ran.get(timeout=PATIENCE)]) == ["look", "poll"]
    assert ran.empty()
