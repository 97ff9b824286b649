"""While a build or a replacement is under way: a newer change, a stop, a lease or a database lost."""

from __future__ import annotations

import threading

import pytest

from refitd.core import labels
from refitd.core.container import CreateRequest
from refitd.core.plan import Wanted
from refitd.errors import (
    DatabaseUnavailable,
    LeaseLost,
)
from refitd.shell.drive import Parked
from tests.contracts.memory_journal import MemoryJournal
from tests.contracts.model_engine import Build
from tests.shell.house import BILLING, CRM, MAIL, NAME, TARGET, House


def test_superseded(house: House) -> None:
    """A change that makes the build pointless cancels it, and the next one is what is wanted."""
    house.engine.script_builds(Build(until=threading.Event()))
    house.write(BILLING, CRM, MAIL)

    def pointless(want: Wanted) -> bool:
        house.write(MAIL)
        return want.desired.specs != ("mail",)

    house.look(cancelled=pointless)
    house.settle()

    assert house.ends == [("rebuild", "superseded"), ("rebuild", "succeeded")]
    assert house.modules() == "mail"
    house.check_in_step()


def test_superseded_too_often(house: House) -> None:
    """After so many times one is let through, so that a drizzle starves nobody."""
    house.write(MAIL)
    for _ in range(house.timing.cancel_limit + 1):
        house.look(cancelled=lambda _: True)

    assert [state for _, state in house.ends] == ["superseded"] * 3 + ["succeeded"]


def test_stopped_while_building(house: House) -> None:
    """A stop cancels the build, however often others were; the next daemon begins it anew."""
    house.reconciler._deployer._cancels = house.timing.cancel_limit
    house.write(MAIL)
    house.engine.spy = lambda name, _: house.stopping.set() if name == "build" else None
    with pytest.raises(Parked):
        house.look()
    house.stopping.clear()
    house.engine.spy = lambda _name, _args: None
    house.new_daemon()
    house.settle()

    assert house.ends == [("rebuild", "superseded"), ("rebuild", "succeeded")]
    house.check_in_step()


def test_built_for_nobody(house: House) -> None:
    """A build that was cut off and that nobody wants any more ends as superseded."""
    house.write(MAIL)
    house.engine.spy = lambda name, _: house.stopping.set() if name == "build" else None
    with pytest.raises(Parked):
        house.look()
    house.stopping.clear()
    house.write(BILLING, CRM)
    house.settle()

    assert house.ends == [("rebuild", "superseded")]


@pytest.mark.parametrize("call", ["create", "start", "stop"])
def test_stopped_while_replacing(house: House, call: str) -> None:
    """A stop parks the replacement at a safe step, or finishes the critical section first."""
    house.write(MAIL)
    house.engine.spy = lambda name, _: house.stopping.set() if name == call else None
    with pytest.raises(Parked):
        house.settle()

    assert any(each.runs and "canary" not in each.name for each in house.engine.everyone())
    house.stopping.clear()
    house.engine.spy = lambda _name, _args: None
    house.new_daemon()
    house.settle()
    house.check_in_step()


def test_engine_away_and_stop(house: House) -> None:
    """With the engine gone in the middle a stop is still noticed."""
    house.write(MAIL)

    def gone(name: str, _: tuple[str, ...]) -> None:
        if name == "create":
            house.stopping.set()
            for _nth in range(3):
                house.engine.fail("containers")

    house.engine.spy = gone
    with pytest.raises(Parked):
        house.settle()


def test_lease_lost(house: House) -> None:
    """One that has lost its lease takes no further step, and the other daemon finishes."""
    house.write(MAIL)
    other = MemoryJournal(house.database, "two")

    def stolen(name: str, _: tuple[str, ...]) -> None:
        if name == "create" and house.database.leases[NAME].holder == "one":
            house.clock.hooks.clear()
            house.clock.sleep(20.0)
            other.take(NAME, "model-engine", 15.0)

    house.engine.spy = stolen
    with pytest.raises(LeaseLost):
        house.settle()
    calls = len(house.engine.calls)
    with pytest.raises(LeaseLost):
        house.look()
    assert len(house.engine.calls) == calls
    assert house.serving() == house.first

    house.clock.sleep(20.0)
    house.new_daemon("two")
    house.settle()
    house.check_in_step()


def test_deposed_in_a_critical_section(house: House) -> None:
    """The old one is stopped, and another daemon holds the lease: nothing more is done but what
    was on its way, and the other one finishes it."""
    house.write(MAIL)

    def stolen(name: str, args: tuple[str, ...]) -> None:
        if name == "stop" and args[0] == house.first.id:
            house.clock.hooks.clear()
            row = house.database.leases[NAME]
            row.holder, row.epoch = "two", row.epoch + 1
            house.clock.sleep(600.0)  # frozen, longer than the lease was extended

    house.engine.spy = stolen
    with pytest.raises(LeaseLost):
        house.settle()

    assert house.engine.calls[-1] == ("stop", "api")
    house.new_daemon("two")
    house.settle()
    house.check_in_step()


def test_frozen_in_a_critical_section_and_cut_off(house: House) -> None:
    """With the lease run out and nobody to ask whose it is, nothing more is done."""
    house.write(MAIL)

    def frozen(name: str, args: tuple[str, ...]) -> None:
        if name == "stop" and args[0] == house.first.id:
            house.clock.hooks.clear()
            house.clock.sleep(600.0)
            house.database.down = True

    house.engine.spy = frozen
    with pytest.raises(LeaseLost, match="nobody says whose it is"):
        house.settle()
    assert house.engine.calls[-1] == ("stop", "api")


def test_what_a_deposed_one_left_is_swept(house: House) -> None:
    """A container that was made too late, and never ran, is removed at the second look at it; one
    that has run is somebody's, and stays."""
    house.write(MAIL)
    house.settle()
    marks = {
        labels.TARGET: NAME,
        labels.FINAL_NAME: "api",
        labels.DEPLOYMENT: "7",
        labels.ROLE: labels.SUCCESSOR,
    }
    late = CreateRequest("api-successor-7", {"Image": "api:latest", "Labels": marks})
    house.engine.create(late)
    house.engine.create(CreateRequest("api-kept", late.body))
    house.engine.start("api-kept")
    house.engine.stop("api-kept")
    probe = {"Image": "api:latest", "Labels": {labels.ROLE: labels.PROBE}}
    house.engine.create(CreateRequest("api-refitd-probe", probe))
    house.look("poll")
    assert {"api-successor-7", "api-refitd-probe"} <= set(house.all_names())
    house.look("poll")
    assert house.all_names() == ["api", "api-kept", "api-previous-1"]


def test_critical_section_is_covered(house: House) -> None:
    """Before the old one stops, the lease is extended over all that can follow."""
    house.write(MAIL)
    left: list[float] = []

    def note(name: str, _: tuple[str, ...]) -> None:
        if name == "stop":
            row = house.database.leases[NAME]
            left.append((row.expires_at - house.database.at).total_seconds())

    house.engine.spy = note
    house.settle()
    assert left[0] >= 2 * TARGET.health.deadline_s


@pytest.mark.parametrize("call", ["stop", "start", "rename"])
def test_database_away_in_the_middle(house: House, call: str) -> None:
    """With the database gone a critical section is finished; the rest waits for it."""
    house.write(MAIL)

    def gone(name: str, args: tuple[str, ...]) -> None:
        canary = any("canary" in house.engine._readable(arg) for arg in args)
        if name == call and not canary:
            house.database.down = True

    house.engine.spy = gone
    with pytest.raises(DatabaseUnavailable):
        house.settle()

    assert any(each.health == "healthy" for each in house.engine.everyone() if each.runs)
    house.engine.spy = lambda _name, _args: None
    house.database.down = False
    house.settle()
    house.check_in_step()
