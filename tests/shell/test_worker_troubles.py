"""What the worker does about what goes wrong: it says so, and looks again later."""

from __future__ import annotations

import itertools

import pytest

from refitd.core.deployment import Snapshot
from refitd.errors import (
    Conflict,
    DatabaseError,
    EngineUnavailable,
    LeaseLost,
    ReplacementRefused,
    SourceRefused,
)
from tests.shell.house import BILLING, CRM, MAIL, NAME, off
from tests.shell.shift import Shift


def _unreachable(_target: str) -> Snapshot:
    raise DatabaseError("the server closed the connection")


def test_look_that_failed_among_writes(shift: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    """D3: what was heard of before a look that failed has waited since then, though the look that
    finds it was woken by a later write alone."""
    with monkeypatch.context() as unreachable:
        unreachable.setattr(shift.house.journal, "snapshot", _unreachable)
        shift.house.write(CRM, MAIL)
        shift.house.clock.sleep(1.0)
        shift.work()
    shift.timer.lose()
    shift.house.clock.sleep(15.0)
    shift.house.write(CRM, MAIL, off(BILLING))
    shift.pass_time(0.6)

    assert shift.house.ends == [("rebuild", "succeeded")]


def test_database_away(shift: Shift) -> None:
    """With the database away it tries again, less and less often, and says so once."""
    shift.house.database.down = True
    shift.worker.poke("poll")
    shift.work()
    delays = []
    for _ in range(5):
        delays.append(shift.timer.due_in(f"retry {NAME}"))
        shift.pass_time(delays[-1] or 0)

    assert delays == [0.5, 1.0, 2.0, 3.0, 3.0]
    assert len(shift.house.log.facts("look.failed")) == 1
    shift.house.write(BILLING, CRM, MAIL)
    shift.house.database.down = False
    shift.pass_time(10)
    shift.house.check_in_step()


def test_refused_with_an_id_of_its_own(shift: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal that names another endpoint at each try is said once, too, and is one problem."""
    endpoints, problems = itertools.count(), list[str | None]()
    set_problem = shift.house.journal.set_problem

    def note(target: str, problem: str | None) -> None:
        problems.append(problem)
        set_problem(target, problem)

    def refused(_container: str) -> None:
        message = f"endpoint api ({next(endpoints):064x}): port is already allocated"
        raise Conflict(message)

    monkeypatch.setattr(shift.house.journal, "set_problem", note)
    monkeypatch.setattr(shift.house.engine, "container", refused)
    shift.worker.poke("poll")
    shift.work()
    shift.pass_time(30.0)

    assert next(endpoints) > 2
    assert len(shift.house.log.facts("look.refused")) == 1
    assert [problem for problem in problems if problem] == problems[:1]


def test_lease_lacking(shift: Shift) -> None:
    """Without the lease it does nothing, says so once, and waits to be told."""
    shift.house.tenure.resign()
    shift.house.clock.hooks.clear()
    for _ in range(3):
        shift.worker.poke("poll")
        shift.pass_time(1)

    assert len(shift.house.log.facts("lease.lacking")) == 1


@pytest.mark.parametrize("error", [SourceRefused("no"), ReplacementRefused("no")])
def test_refused(shift: Shift, error: Exception) -> None:
    """What is refused is said, and tried again after a while."""

    def refuse(*_: object, **__: object) -> None:
        raise error

    shift.house.reconciler.want = refuse  # type: ignore[method-assign,assignment]
    shift.worker.poke("poll")
    shift.work()

    assert shift.house.log.facts("look.refused") == [{"error": "no"}]
    assert shift.timer.due_in(f"retry {NAME}") == 0.5


def test_engine_away(shift: Shift) -> None:
    """An engine that is away is tried again, too."""
    shift.house.engine.fail("container", error=EngineUnavailable("gone"))
    shift.worker.poke("poll")
    shift.pass_time(5)

    assert shift.house.log.facts("look.failed") == [{"error": "gone"}]


def test_parked(shift: Shift) -> None:
    """A stop in the middle ends the thread's work, with the row to go on from."""
    shift.house.write(MAIL)
    shift.house.engine.spy = lambda name, _: (
        shift.house.stopping.set() if name == "create" else None
    )
    shift.pass_time(5)
    shift.worker.run()

    assert shift.house.log.facts("deployment.parked")
    assert shift.house.deployments[0].finished_at is None


def test_watch_window(shift: Shift) -> None:
    """The watch window is looked at each second, and its end is kept."""
    shift.house.write(MAIL)
    shift.pass_time(3)
    assert shift.house.all_names() == ["api", "api-previous-1"]
    shift.pass_time(70)

    assert shift.house.all_names() == ["api"]
    assert shift.timer.next_s is None


def test_run(shift: Shift) -> None:
    """The thread sleeps until it is woken, works, and ends when it is told to."""
    shift.house.write(BILLING, off(CRM))
    shift.house.clock.sleep(1.0)
    shift.house.engine.spy = lambda name, _: (
        shift.house.stopping.set() if name == "restart" else None
    )
    shift.worker.wake()
    shift.worker.run()

    assert shift.house.serving().started_at != shift.house.first.started_at


def test_lease_lost_on_the_way(shift: Shift) -> None:
    """A lease that is lost while looking is said like one that is lacking."""

    def lose(*_: object, **__: object) -> None:
        raise LeaseLost("gone")

    shift.house.reconciler.find = lose  # type: ignore[method-assign]
    shift.worker.poke("poll")
    shift.work()

    assert shift.house.log.facts("lease.lacking") == [{"error": "gone"}]
