"""Who may not be blamed for being down."""

from __future__ import annotations

from dataclasses import replace

import pytest

from refitd.core.container import Container
from refitd.core.deployment import Deployment, NewDeployment
from refitd.errors import Conflict, DatabaseUnavailable, EngineUnavailable
from refitd.shell.interruptions import PATIENCE, Interruptions
from tests.contracts.model_container import Behaviour
from tests.contracts.model_engine import ModelEngine
from tests.shell.house import BILLING, CRM, MAIL, NAME, House

RUNS = Container("a", "api", "image-1", "running")
DOWN = replace(RUNS, state="exited")


def test_engine_was_there() -> None:
    """While the engine answers, whoever goes down does so by themselves."""
    interruptions = Interruptions()

    assert interruptions.among([RUNS]) == frozenset()
    assert interruptions.among([DOWN]) == frozenset()


def test_engine_was_away() -> None:
    """Around an absence nobody is to blame, until they run, or have had a start."""
    interruptions = Interruptions()
    interruptions.engine_was_away()
    assert interruptions.among([DOWN]) == {"a"}
    assert interruptions.among([DOWN]) == {"a"}
    interruptions.started("a")
    assert interruptions.among([DOWN]) == frozenset()

    interruptions.engine_was_away()
    assert interruptions.among([DOWN]) == {"a"}
    assert interruptions.among([RUNS]) == frozenset()
    assert interruptions.among([DOWN]) == frozenset()


def test_again_and_again() -> None:
    """It is borne a few times."""
    interruptions = Interruptions()
    for _ in range(PATIENCE):
        interruptions.engine_was_away()
        assert interruptions.among([DOWN]) == {"a"}
        interruptions.started("a")
    interruptions.engine_was_away()

    assert interruptions.among([DOWN]) == frozenset()


def test_recovered() -> None:
    """Who has run since, with nothing under way, is borne with as often again."""
    house = House(policy="unless-stopped")
    house.settle()
    for _ in range(2 * PATIENCE):
        _look_in_vain(house)
        house.engine.die()
        house.settle()
        assert house.serving().runs


def test_while_it_was_looked_at() -> None:
    """Where the engine dies at a look whose answer can be done without, the target, down by then,
    is replaced as one that ran."""
    house = House(policy="unless-stopped")
    house.settle()
    house.write(BILLING, CRM, MAIL)
    changed_files = house.engine.changed_files

    def die(_container_id: str) -> tuple[str, ...]:
        house.engine.changed_files = changed_files  # type: ignore[method-assign]
        house.engine.die()
        raise EngineUnavailable("it was killed, and is back")

    house.engine.changed_files = die  # type: ignore[method-assign, assignment]
    house.settle()

    house.check_in_step()


def _look_in_vain(house: House) -> None:
    house.engine.fail("containers", "before")
    house.engine.fail("container", "before")
    try:
        house.look()
    except EngineUnavailable:
        return
    raise AssertionError("the engine was to be away")


def test_at_rest() -> None:
    """A target that went down with the engine, and that the engine does not start again, is
    started."""
    house = House(policy="unless-stopped")
    house.settle()
    _look_in_vain(house)
    house.engine.die()
    assert not house.serving().runs
    house.settle()

    assert house.serving().runs
    assert house.log.facts("target.started_again")


def test_at_rest_between_two_looks() -> None:
    """Nor need anybody have called it while it was away."""
    house = House(policy="unless-stopped")
    house.settle()
    house.engine.die()
    house.settle()

    assert house.serving().runs
    assert house.log.facts("target.started_again")


def test_at_rest_while_it_was_started_again() -> None:
    """One that had fallen over, and that the engine was starting again by its policy, was to run."""
    house = House(policy="unless-stopped")
    house.settle()
    model = house.engine._get(house.serving().id)
    model.behaviour = Behaviour("loops", 0.0)
    assert house.serving().state == "restarting"
    house.settle()
    house.engine.die()
    assert house.serving().state == "exited"
    house.settle()

    assert house.serving().runs
    assert house.log.facts("target.started_again")


def test_found_away_after_the_look() -> None:
    """It may have died after the look, and before that was found out: the next look shows what it
    left, and the one after that shows what is its own doing."""
    engine, interruptions = ModelEngine(), Interruptions()
    interruptions.noted_of(engine)
    assert interruptions.among([RUNS]) == frozenset()
    engine.die()
    assert interruptions.among([RUNS]) == frozenset()
    assert interruptions.among([DOWN]) == {DOWN.id}
    interruptions.started(DOWN.id)
    assert interruptions.among([DOWN]) == frozenset()


def test_stopped_by_hand() -> None:
    """One that was seen stopped, with the engine there, stays stopped."""
    house = House(policy="unless-stopped")
    house.settle()
    house.engine.stop("api")
    house.settle()
    _look_in_vain(house)
    house.settle()

    assert not house.serving().runs


def test_never_seen() -> None:
    """One that was down when the daemon came is left so."""
    house = House(policy="unless-stopped")
    house.settle()
    house.engine.die()
    house.new_daemon()
    _look_in_vain(house)
    house.settle()

    assert not house.serving().runs


def test_not_to_be_started() -> None:
    """One without a restart policy was never to be started by itself."""
    house = House(policy="no")
    house.settle()
    _look_in_vain(house)
    house.engine.die()
    house.settle()

    assert not house.serving().runs


def test_born_of_the_old_hand_over() -> None:
    """One that would stop itself at its start is replaced instead; that Postgres is away for a
    moment does not leave it down."""
    house = House(policy="unless-stopped", Env=["REPLACING_CONTAINER=api"])
    house.engine.hands_over = True
    house.settle()
    _look_in_vain(house)
    house.engine.die()
    opened = house.journal.open

    def away(_new: NewDeployment) -> Deployment:
        house.journal.open = opened  # type: ignore[method-assign]
        raise DatabaseUnavailable("away for a moment")

    house.journal.open = away  # type: ignore[method-assign, assignment]
    with pytest.raises(DatabaseUnavailable):
        house.settle()
    house.settle()

    house.check_in_step()
    assert house.ends == [("restart", "succeeded")]


def _down_and_refused() -> House:
    """Born of the old hand-over, down with the engine, and not to be replaced at the first try."""
    house = House(policy="unless-stopped", Env=["REPLACING_CONTAINER=api"])
    house.engine.hands_over = True
    house.settle()
    _look_in_vain(house)
    house.engine.die()
    house.engine.fail("info", error=Conflict("device or resource busy"))
    house.settle()
    return house


def test_born_of_the_old_hand_over_and_refused() -> None:
    """That its replacement was refused is no reason to take it for one that was stopped by hand."""
    house = _down_and_refused()
    for _ in range(3):
        house.settle()
    assert house.ends == [("restart", "failed")]  # and not in a loop
    house.database.ask(NAME, "retry")
    house.settle()

    house.check_in_step()
    assert house.ends[1:] == [("restart", "succeeded")]


def test_born_of_the_old_hand_over_and_asked() -> None:
    """What somebody asks for meanwhile is served, and brings it up as well."""
    house = _down_and_refused()
    house.write(BILLING, CRM, MAIL)
    house.database.ask(NAME, "rebuild")
    house.settle()

    house.check_in_step()
    assert house.ends[1:] == [("rebuild", "succeeded")]
