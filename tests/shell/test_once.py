"""`refitd once` and `refitd plan`: the same looks, without the loops."""

from __future__ import annotations

from threading import Event

import pytest

from refitd.core.report import OnceResult, PlanView
from refitd.errors import LeaseLost
from refitd.shell import one_look
from refitd.shell.cloner import Cloner
from refitd.shell.foresight import plan
from tests.contracts.model_engine import Behaviour, Build
from tests.shell.fakes import Killed
from tests.shell.house import BILLING, CRM, MAIL, NAME, House, off
from tests.shell.loops import Daemon


def look_once(daemon: Daemon) -> OnceResult:
    """`refitd once`."""
    house = daemon.house
    keeper, over = daemon.keeper, Event()
    keeper._stopping = over
    return one_look.once(house.reconciler, house.journal, house.tenure, keeper, over)


def test_once() -> None:
    """It acts and ends, says what came of it, and gives the lease back."""
    daemon = Daemon()
    assert look_once(daemon) == OnceResult(NAME, "", "in step", "nothing")
    daemon.house.tenure.ask("e")
    daemon.house.write(MAIL)
    result = look_once(daemon)

    assert (result.action, result.state, result.ok) == ("rebuild", "succeeded", True)
    assert not daemon.house.tenure.held
    daemon.house.engine.script_builds(Build(error="broken"))
    daemon.house.tenure.ask("e")
    daemon.house.write(CRM)
    result = look_once(daemon)
    assert (result.state, result.ok) == ("failed", False)


def test_once_with_a_toggle_and_a_failed_build() -> None:
    """What failed is a failure, though a toggle was served after it."""
    daemon = Daemon()
    daemon.house.settle()
    daemon.house.engine.script_builds(Build(error="broken"))
    daemon.house.write(BILLING, off(CRM), MAIL)
    result = look_once(daemon)
    assert (result.action, result.state, result.ok) == ("restart", "succeeded", False)
    assert result.error


def killed_on_the_way(*, behaviour: Behaviour) -> Daemon:
    """A daemon that died once its canary ran; another one is to go on."""
    daemon = Daemon()
    house = daemon.house
    house.settle()
    house.engine.script_builds(Build(behaviour=behaviour))
    house.write(BILLING, CRM, MAIL)
    house.engine.arm(6, "after")
    with pytest.raises(Killed):
        house.settle()
    house.new_daemon()
    daemon.keeper = daemon.keeper_of(house.tenure)
    assert house.deployments[-1].goal is not None
    return daemon


@pytest.mark.parametrize(
    "behaviour, state, ok",
    [
        (Behaviour("healthy", 1.0), "succeeded", True),
        (Behaviour("unhealthy", 1.0), "rolled_back", False),
    ],
    ids=["well", "badly"],
)
def test_once_goes_on_with_what_was_left(behaviour: Behaviour, state: str, *, ok: bool) -> None:
    """The deployment that another run left half done is what came of it, well or badly."""
    daemon = killed_on_the_way(behaviour=behaviour)
    result = look_once(daemon)
    assert (result.action, result.state, result.ok) == ("rebuild", state, ok)
    assert result.reason == daemon.house.deployments[-1].reason
    assert len(daemon.house.deployments) == 1


def test_once_in_the_watch_window() -> None:
    """What fell over is put back, and that is what came of it: not what was wanted."""
    daemon = Daemon()
    house = daemon.house
    house.settle()
    house.write(BILLING, CRM, MAIL)
    house.settle()
    house.engine.behaves[house.serving().image_id] = Behaviour("unhealthy", 1.0)
    house.engine.restart("api")
    house.clock.sleep(2.0)
    result = look_once(daemon)
    assert (result.action, result.state, result.ok) == ("rollback", "rolled_back", False)


def test_once_beside_a_daemon() -> None:
    """Where a daemon holds the lease, it does the work."""
    daemon = Daemon()
    daemon.house.database.leases[NAME].holder = "two"

    with pytest.raises(LeaseLost, match="another daemon holds the lease"):
        look_once(daemon)


def foresee(house: House) -> PlanView:
    """`refitd plan`."""
    cloner = Cloner(house.engine, house.target, "plan", mark="7")
    return plan(house.target, house.engine, house.git, house.journal, cloner, None)


def test_plan() -> None:
    """It says what would be done, step by step, and does nothing but a probe."""
    house = House()
    house.settle()
    assert foresee(house).decision == "nothing"
    house.write(BILLING, off(CRM))
    assert foresee(house).steps[0] == "restart, because the image stays the same"
    house.write(MAIL)
    before = house.all_names()
    view = foresee(house)

    assert view.decision == "rebuild"
    assert view.steps[1] == "build an image with mail"
    assert view.steps[-1] == "move the tag api:latest"
    assert view.refusals == ()
    assert house.all_names() == before
    assert house.deployments == []
    assert house.serving() == house.first


def test_plan_at_first_contact() -> None:
    """Before the first contact it says how the container would be taken."""
    house = House()
    house.write(MAIL)
    view = foresee(house)

    assert view.decision == "rebuild"
    assert view.warnings[0].startswith("first contact")
    assert house.database.records == {}
