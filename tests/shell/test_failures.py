"""What goes wrong, in virtual time: each failure leaves what serves as it was, and is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from refitd.core.target import Health, HttpProbe
from refitd.errors import (
    Conflict,
    DatabaseUnavailable,
    EngineUnavailable,
    SourceRefused,
    SourceUnavailable,
)
from tests.contracts.model_engine import Behaviour, Build
from tests.shell.house import BILLING, CRM, MAIL, NAME, PORTS, TARGET, House, off

BAD = Behaviour("unhealthy", 1.0)


def test_failed_build(house: House) -> None:
    """A module that does not build leaves all as it was, is not tried again, and heals with
    its row."""
    house.engine.script_builds(Build(error="make: *** [all] Error 2"))
    house.write(BILLING, CRM, MAIL)
    house.settle()
    for _ in range(5):
        house.clock.sleep(100.0)
        house.settle()

    assert house.ends == [("rebuild", "failed")]
    assert "Error 2" in (house.deployments[0].error or "")
    assert house.database.logs[1]
    assert house.serving() == house.first
    house.write(BILLING, CRM)
    house.settle()
    assert house.database.quarantines == {}
    assert house.database.problems[NAME] is None
    house.check_in_step()


def test_toggle_while_a_build_is_barred(house: House) -> None:
    """Toggles of what runs are served meanwhile, and do not make the failed build be tried."""
    house.engine.script_builds(*[Build(error="broken")] * 9)
    house.write(BILLING, CRM, MAIL)
    house.settle()
    house.write(BILLING, off(CRM), MAIL)
    house.settle()
    house.write(BILLING, CRM, MAIL)
    house.settle()

    assert house.ends == [("rebuild", "failed"), ("restart", "succeeded"), ("restart", "succeeded")]
    assert len(house.engine.requests) == 1


def test_unhealthy(house: House) -> None:
    """A module that never gets healthy is found out by the canary: the old one never stops."""
    house.engine.script_builds(Build(behaviour=BAD))
    house.write(BILLING, CRM, MAIL)
    house.settle()
    house.settle()

    assert house.ends == [("rebuild", "rolled_back")]
    assert "canary" in (house.deployments[0].error or "")
    assert any("the end of the log of" in line for line in house.database.logs[1])
    assert house.serving().started_at == house.first.started_at
    assert house.all_names() == ["api"]
    house.write(BILLING, CRM)
    house.settle()
    house.check_in_step()


def test_toggle_that_cannot_start(house: House) -> None:
    """A toggle to what cannot start is found out by the canary, too; taken back, made again,
    it is tried again."""
    house.engine.behaves[house.first.image_id] = BAD
    house.write(BILLING, off(CRM))
    house.settle()
    assert house.ends == [("restart", "rolled_back")]
    assert house.serving().started_at == house.first.started_at
    house.write(BILLING, CRM)
    house.settle()
    house.engine.behaves.clear()
    house.write(BILLING, off(CRM))
    house.settle()

    assert house.ends == [("restart", "rolled_back"), ("restart", "succeeded")]
    house.check_in_step()


def test_restart_that_fails() -> None:
    """Without a canary a bad toggle fails as it restarts; it is barred, and its opposite heals."""
    house = House(replace(TARGET, canary=False))
    house.settle()
    house.engine.behaves[house.first.image_id] = BAD
    house.write(BILLING, off(CRM))
    house.settle()
    assert house.ends == [("restart", "failed")]
    house.engine.behaves.clear()
    house.write(BILLING, CRM)
    house.settle()

    assert house.ends == [("restart", "failed"), ("restart", "succeeded")]
    house.check_in_step()


def test_cannot_be_replaced() -> None:
    """One that cannot be replaced without loss is left alone, and the reason is on record; a
    later toggle is tried anew."""
    house = House(host={**PORTS, "AutoRemove": True, "RestartPolicy": {"Name": "no"}})
    house.settle()
    house.write(BILLING, off(CRM))
    house.settle()
    house.write(BILLING, CRM)
    house.settle()
    house.write(off(BILLING), CRM)
    house.settle()

    assert house.ends == [("restart", "failed"), ("restart", "failed")]
    assert "cannot be replaced" in (house.deployments[0].error or "")
    assert house.serving() == house.first


def test_source_refused(house: House) -> None:
    """A branch that is not there fails the deployment, with nothing touched."""
    house.git.error = SourceRefused("there is no branch 'main'")
    house.write(MAIL)
    house.settle()

    assert house.ends == [("rebuild", "failed")]
    assert house.engine.requests == []


def test_transient(house: House) -> None:
    """What may pass by itself is tried again after a growing delay, and only then."""
    house.git.error = SourceUnavailable("the remote does not answer")
    house.write(MAIL)
    house.settle()
    house.clock.sleep(5.0)
    house.settle()
    assert len(house.deployments) == 1
    house.clock.sleep(6.0)
    house.settle()
    assert len(house.deployments) == 2
    house.clock.sleep(11.0)
    house.settle()
    assert len(house.deployments) == 2
    house.git.error = None
    house.clock.sleep(10.0)
    house.settle()

    assert house.ends[-1] == ("rebuild", "succeeded")
    house.check_in_step()


def test_engine_error_at_the_very_end(house: House) -> None:
    """The engine falls silent as the success is being written down: it is one all the same."""
    house.write(BILLING, CRM, MAIL)
    house.engine.spy = lambda name, args: (
        house.engine.fail("container", skip=1)
        if name == "tag" and args[1] == "api:latest"
        else None
    )
    with pytest.raises(EngineUnavailable):
        house.settle()
    house.settle()

    assert house.ends == [("rebuild", "succeeded")]
    house.check_in_step()


def test_probe() -> None:
    """Where a probe is set it must be content as well, and its complaint is the reason."""
    health = Health(deadline_s=5.0, http=HttpProbe(80), tcp_port=80, command=("check",))
    house = House(replace(TARGET, health=health))
    house.settle()
    house.prober.wrong = "it answered 503"
    house.write(MAIL)
    house.settle()

    assert house.ends == [("rebuild", "rolled_back")]
    assert "503" in (house.deployments[0].error or "")
    house.prober.wrong = None
    house.engine.command = lambda *_: (1, "not yet")
    house.write(CRM)
    house.settle()
    assert "answered 1: not yet" in (house.deployments[-1].error or "")
    house.engine.command = lambda *_: (0, "")
    house.write(BILLING)
    house.settle()
    house.check_in_step()


def test_start_gets_no_answer(house: House) -> None:
    """An engine that never answers to the start of the successor gets the old one started."""
    house.write(MAIL)
    house.engine.fail("start", skip=1)
    house.engine.fail("start")
    house.engine.fail("start")
    house.settle()

    assert house.ends == [("rebuild", "rolled_back")]
    assert "did not answer" in (house.deployments[0].error or "")
    assert house.serving().runs


def test_dies_by_itself_while_the_database_is_away(house: House) -> None:
    """The old one dies just as the database goes: the way is gone to its end without it."""
    house.write(MAIL)

    def die(name: str, args: tuple[str, ...]) -> None:
        if name == "create" and "successor" in args[0]:
            house.engine.set_restart_policy(house.first.id, "no")
            house.engine.crash("api")
            house.engine.spy = lambda _name, _args: None
            house.database.down = True

    house.engine.spy = die
    with pytest.raises(DatabaseUnavailable):
        house.settle()
    house.database.down = False
    house.settle()

    assert house.ends == [("rebuild", "succeeded")]
    assert house.modules() == "mail"


@pytest.mark.parametrize("nth", [0, 1, 2], ids=["probe", "canary", "second probe"])
def test_removal_in_progress(house: House, nth: int) -> None:
    """A refusal to remove what is being removed is no reason to turn back."""
    house.write(MAIL)
    house.engine.fail("remove", error=Conflict("removal is already in progress"), skip=nth)
    house.settle()

    assert house.ends == [("rebuild", "succeeded")]


def test_refused_again_and_again_on_the_way_back(house: House) -> None:
    """What cannot be removed holds nothing up, and is removed as soon as the engine lets us."""
    house.engine.script_builds(Build(behaviour=BAD))
    house.write(MAIL)
    house.engine.fail("logs", error=EngineUnavailable("no answer"))
    refusals = iter(range(4))

    def refuse(name: str, args: tuple[str, ...]) -> None:
        canary = name == "remove" and "canary" in house.engine._readable(args[0])
        if canary and next(refusals, None) is not None:
            house.engine.fail("remove", error=Conflict("busy"))

    house.engine.spy = refuse
    house.settle()
    assert house.ends == [("rebuild", "rolled_back")]
    for _ in range(2):
        house.look("poll")

    assert house.all_names() == ["api"]
    assert any("could not be read" in line for line in house.database.logs[1])


def test_refused_start(house: House) -> None:
    """A start that is refused turns back, with the engine's words as the cause."""
    house.write(MAIL)
    house.engine.fail("start", error=Conflict("no such device"), skip=1)
    house.settle()

    assert house.ends == [("rebuild", "rolled_back")]
    assert "no such device" in (house.deployments[0].error or "")
    assert house.serving().id == house.first.id
    assert house.serving().runs
