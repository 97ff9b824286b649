"""What lasts, comes at the wrong moment, or goes unanswered, and must not hold the target up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from refitd.core import labels
from refitd.core.container import Container
from refitd.core.deployment import Amendment, Deployment
from refitd.core.module import Row
from refitd.core.seen import Seen
from refitd.errors import DatabaseUnavailable, EngineRefused, LeaseLost, SourceRefused
from refitd.shell.drive import Parked
from refitd.shell.keeper import Keeper
from refitd.shell.outage import OutageMeter
from tests.contracts.memory_journal import MemoryJournal
from tests.contracts.model_engine import Behaviour, Build
from tests.shell.house import BILLING, CRM, MAIL, NAME, TARGET, House, off

BUSY = "failed to remove root filesystem: device or resource busy"


def refuse_removal(house: House, when: Callable[[str], bool]) -> None:
    """The engine removes none of these, ever."""
    remove = house.engine.remove

    def refusing(container_id: str, **options: Any) -> None:
        container = house.engine.container(container_id)
        if container is not None and when(container.name):
            raise EngineRefused(BUSY)
        remove(container_id, **options)

    house.engine.remove = refusing  # type: ignore[method-assign]


def billing_makes_it_sick(house: House) -> None:
    """What refitd built gets healthy only while billing is off."""
    on = any(row.id == "billing" and row.enabled for row in house.database.rows[NAME])
    behaviour = Behaviour("unhealthy" if on else "healthy", 1.0)
    for image in house.engine.images({labels.IMAGE_TARGET: NAME}):
        house.engine.behaves[image.id] = behaviour


def test_what_had_been_read_is_set_aside_and_nothing_else(house: House) -> None:
    """Switched on while it builds, off again once the canary failed of it: what the table then
    says was never tried, and is."""
    house.write(off(BILLING), CRM)
    house.settle()
    written = {"on": False, "off": False}

    def spy(name: str, args: tuple[str, ...]) -> None:
        if name == "build" and not written["on"]:
            written["on"] = True
            house.write(BILLING, CRM, MAIL)
        if name == "start":
            billing_makes_it_sick(house)
        if name == "remove" and "canary" in house.engine._readable(args[0]) and not written["off"]:
            written["off"] = True
            house.write(off(BILLING), CRM, MAIL)

    house.engine.spy = spy
    house.write(off(BILLING), CRM, MAIL)
    house.settle()

    assert house.modules() == "billing,crm,mail"


def test_a_way_back_that_is_gone_is_tried_once(house: House) -> None:
    """The old container was pruned by somebody, and the new one falls over: one attempt."""
    house.write(BILLING, CRM, MAIL)
    house.settle()
    old = next(iter(house.database.retirees.values()))
    house.engine.remove(old.container_id)
    house.engine._get("api").behaviour = Behaviour("unhealthy", 0.0)
    before = len(house.ends)
    looks = 0
    while house.look("watch").again and looks < 20:
        looks += 1

    assert house.ends[before:] == [("rollback", "failed")]


def test_a_toggle_around_a_start_of_somebody_else(house: House) -> None:
    """Off, started anew by hand, on again: what it read cannot be told, so it is restarted."""
    house.write(off(BILLING), CRM)
    house.engine.restart("api")
    house.write(BILLING, CRM)
    house.settle()

    assert house.ends == [("restart", "succeeded")]


@pytest.mark.parametrize("pause_s", [0, 100], ids=["in its window", "when due"])
def test_an_old_container_that_cannot_be_removed(house: House, pause_s: float) -> None:
    """It is tried again later; rows go on being acted upon."""
    house.write(BILLING, CRM, MAIL)
    house.settle()
    refuse_removal(house, lambda name: "previous-1" in name)
    house.clock.sleep(pause_s)
    house.write(BILLING, CRM)
    house.settle()

    assert house.ends[-1] == ("rebuild", "succeeded")
    assert house.modules() == "billing,crm"


def test_a_canary_that_cannot_be_removed(house: House) -> None:
    """Proven is proven: it is left over, and the replacement goes on."""
    refuse_removal(house, lambda name: "canary" in name)
    house.write(BILLING, CRM, MAIL)
    house.settle()

    assert house.ends == [("rebuild", "succeeded")]
    assert any("canary" in retiree.name for retiree in house.database.retirees.values())


def test_a_stop_on_a_way_back_that_does_not_succeed(house: House) -> None:
    """Neither of the two can be started: it goes on trying, until it is told to stop."""
    start, first = house.engine.start, house.first.id

    def refusing(container_id: str) -> None:
        container = house.engine.container(container_id)
        if container_id == first or (container and "successor" in container.name):
            raise EngineRefused("bind source path does not exist")
        start(container_id)

    def stop_in_the_end() -> None:
        if house.engine.container(first).state == "exited":  # type: ignore[union-attr]
            house.stopping.set()

    house.engine.start = refusing  # type: ignore[method-assign]
    house.clock.hooks.append(stop_in_the_end)
    house.write(BILLING, CRM, MAIL)

    with pytest.raises(Parked):
        house.look()


def test_a_restart_without_an_answer_is_proven_all_the_same() -> None:
    """It has no health check, and dies 2 s after a restart that the engine did not answer."""
    house = House(target=replace(TARGET, health=replace(TARGET.health, stable_s=5.0)))
    running = house.engine._get("api")
    for each in (running, running.image):
        each.behaviour = Behaviour("runs")
        each.config.pop("Healthcheck", None)
    house.settle()
    house.engine.fail("restart", "after")

    def spy(name: str, _args: tuple[str, ...]) -> None:
        if name == "restart":
            house.engine.behaves[house.serving().image_id] = Behaviour("exits", 2.0)

    house.engine.spy = spy
    house.write(off(BILLING), CRM)
    house.look()

    assert house.ends == [("restart", "failed")]


def test_a_branch_that_is_gone_does_not_stop_toggles() -> None:
    """With `follow`, a source that is refused is said, and what runs is served."""
    house = House(replace(TARGET, source=replace(TARGET.source, follow=True)))
    house.settle()
    house.git.error = SourceRefused("there is no branch main")
    house.write(off(BILLING), CRM)
    house.settle()

    assert house.ends == [("restart", "succeeded")]
    assert "no branch main" in (house.database.problems[NAME] or "")


def test_images_of_failures_do_not_pile_up(house: House) -> None:
    """One good image before the running one, and at most the one that failed last."""
    house.write(BILLING, CRM, MAIL)
    house.settle()
    house.pass_watch()
    for name in ("x", "y", "z"):
        house.engine.script_builds(Build(behaviour=Behaviour("unhealthy", 1.0)))
        house.write(BILLING, CRM, MAIL, Row(name, None, enabled=True))
        house.settle()
    found = house.engine.images({labels.IMAGE_TARGET: NAME})

    assert len([image for image in found if image.id != house.serving().image_id]) <= 2


def test_an_outage_that_is_not_over_counts() -> None:
    """Thirty seconds without an answer up to the end are thirty seconds."""
    house = House(ExposedPorts={"80/tcp": {}})
    meter = OutageMeter(house.prober, house.clock, 80)
    meter.begin(Seen(old=house.serving()))
    meter._done.set()
    assert meter._thread is not None
    meter._thread.join()
    house.prober.wrong = "refused"
    for _ in range(30):
        house.clock.sleep(1.0)
        meter._try_once()

    assert (meter.end() or 0) >= 29


def test_a_lease_that_was_lost_is_taken_again_with_evidence() -> None:
    """A failover gave us back an older row: the epoch goes above the labels all the same."""
    house = House()
    house.clock.hooks.clear()
    keeper = Keeper(
        house.tenure,
        house.engine,
        house.clock,
        house.log,
        3.0,
        lambda _target, _wake: None,
        threading.Event(),
    )
    lease = house.database.leases[NAME]
    lease.epoch -= 1
    lease.expires_at = house.database.at
    keeper.take()
    keeper.take()

    assert house.tenure.held
    assert house.database.leases[NAME].engine_id == "model-engine"


def test_unforeseen(house: House) -> None:
    """A mistake of ours while an image is made crashes once: it is on record, and not made again
    and again."""
    house.git.error = ZeroDivisionError("a mistake")
    house.write(BILLING, CRM, MAIL)
    with pytest.raises(ZeroDivisionError):
        house.look()
    house.git.error = None
    house.settle()

    assert house.ends == [("rebuild", "failed")]
    assert "a mistake" in (house.deployments[0].error or "")


def test_a_database_that_goes_silent_in_a_critical_section(house: House) -> None:
    """Once it did not answer there, it is not asked again until the section is over: each answer
    that is waited for would be so much more of an outage."""

    def spy(name: str, args: tuple[str, ...]) -> None:
        if name == "stop" and house.engine._readable(args[0]) == "api":
            house.database.down = True

    house.engine.spy = spy
    house.write(BILLING, CRM, MAIL)
    with pytest.raises(DatabaseUnavailable):
        house.settle()

    proven = house.engine.container("api-successor-1")
    assert proven
    assert (proven.state, proven.health) == ("running", "healthy")
    assert len(house.log.facts("journal.unwritten")) == 1
    assert house.log.facts("enabled.unread") == []


def test_frozen_between_the_books_and_the_engine(house: House) -> None:
    """Its write passed the fence, and before the call that follows it stands still until another
    has the lease: that call is not made. Nothing but the look right before it can tell."""
    began: list[str] = []

    def frozen(deployment: Deployment, amendment: Amendment) -> None:
        MemoryJournal.amend(house.journal, deployment, amendment)
        if (amendment.step or "").startswith("stop") and not began:
            began.append(amendment.step or "")
            house.clock.hooks.clear()
            house.clock.sleep(3600.0)
            other = MemoryJournal(house.database, "two")
            assert other.take(NAME, "model-engine", 3600.0).ours

    house.journal.amend = frozen  # type: ignore[method-assign]
    stops: list[str] = []
    house.engine.spy = lambda name, args: (
        stops.append(args[0]) if name == "stop" and began else None
    )
    house.write(BILLING, CRM, MAIL)
    with suppress(LeaseLost):
        house.settle()

    assert began
    assert stops == []


def test_a_silence_in_a_critical_section_is_cut_short(house: House) -> None:
    """Nor is that one answer waited for as long as elsewhere: with the old one stopped, the new
    one is started within two seconds."""
    at: dict[str, float] = {}

    def spy(name: str, args: tuple[str, ...]) -> None:
        at[f"{name} {house.engine._readable(args[0])}"] = house.clock.now_s()
        if name == "stop" and house.engine._readable(args[0]) == "api":
            house.clock.hooks.clear()
            house.database.silent = house.clock.sleep

    house.engine.spy = spy
    house.write(BILLING, CRM, MAIL)
    with pytest.raises(DatabaseUnavailable):
        house.settle()

    assert at["start api-successor-1"] - at["stop api"] < 2.0


@pytest.mark.parametrize(
    "answer, failures", [((0, "drained"), 0), ((3, "no such queue"), 1)], ids=["done", "failed"]
)
def test_drain_command(answer: tuple[int, str], failures: int) -> None:
    """It is run in the old one while that serves, once; that it fails is said, and no more."""
    house = House(replace(TARGET, drain_command=("drain", "-q"), drain_timeout_s=3.0))
    told: list[tuple[str, list[str]]] = []

    def command(container: Container, words: Sequence[str]) -> tuple[int, str]:
        assert container.runs
        told.append((container.id, list(words)))
        return answer

    house.engine.command = command
    house.settle()
    house.write(CRM, MAIL)
    house.settle()

    assert told == [(house.first.id, ["drain", "-q"])]
    assert len(house.log.facts("drain.failed")) == failures
    house.check_in_step()


def test_drain_command_that_cannot_be_run() -> None:
    """A container without such a program is replaced all the same."""
    house = House(replace(TARGET, drain_command=("drain", "-q")))

    def command(_container: Container, _words: Sequence[str]) -> tuple[int, str]:
        raise EngineRefused("no such file or directory")

    house.engine.command = command
    house.settle()
    house.write(CRM, MAIL)
    house.settle()

    assert [each["output"] for each in house.log.facts("drain.failed")] == [
        "no such file or directory"
    ]
    house.check_in_step()
