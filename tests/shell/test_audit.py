"""Every event of a target can be placed: which target, under which epoch, about which deployment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from refitd.core import labels
from refitd.errors import EngineUnavailable
from refitd.shell.audit import Audit, Epoch
from refitd.shell.drive import Parked
from tests.contracts.model_engine import Behaviour, Build
from tests.shell.fakes import FakeLog, Killed
from tests.shell.house import BILLING, CRM, MAIL, NAME, TARGET, House, off

#: What is said of a look, or of a request that needs no deployment.
OF_NO_DEPLOYMENT = {"target.looked", "target.adopted", "request.done", "source.unavailable"}


def rebuilt_three_times(house: House) -> None:
    """Images and containers of earlier deployments go."""
    for rows in ((BILLING, CRM, MAIL), (BILLING,), (BILLING, MAIL)):
        house.write(*rows)
        house.settle()
        house.pass_watch()


def rolled_back(house: House) -> None:
    """A canary fails, a toggle is served, and the one that was put to the proof goes on."""
    house.engine.script_builds(*[Build(behaviour=Behaviour("unhealthy", 1.0))] * 3)
    house.write(BILLING, CRM, MAIL)
    house.settle()
    house.write(BILLING, off(CRM))
    house.settle()


def fallen(house: House) -> None:
    """In its watch window the new one falls over."""
    house.write(BILLING, CRM, MAIL)
    house.settle()
    house.engine.behaves[house.serving().image_id] = Behaviour("unhealthy", 1.0)
    house.engine.restart("api")
    house.clock.sleep(2.0)
    house.settle()


def switched(house: House) -> None:
    """Paused and resumed."""
    for kind in ("pause", "resume"):
        house.database.ask(NAME, kind)
        house.settle()


def killed(house: House) -> None:
    """Gone on with by the next daemon, whose epoch is its own."""
    house.write(BILLING, CRM, MAIL)
    house.engine.arm(6, "after")
    with pytest.raises(Killed):
        house.settle()
    house.database.leases[NAME].holder = "nobody any more"
    house.database.advance(60.0)
    house.new_daemon("two")
    house.settle()


def in_the_way(house: House) -> None:
    """The old one cannot be removed, runs again, and is stopped; something was left behind."""
    house.write(BILLING, CRM, MAIL)
    house.settle()
    (old,) = house.database.retirees.values()
    house.engine.start(old.container_id)
    house.engine.fail("stop", "before", EngineUnavailable("no answer"))
    house.look()
    house.look()
    marks = {
        labels.TARGET: NAME,
        labels.FINAL_NAME: "api",
        labels.ROLE: labels.CANARY,
        labels.DEPLOYMENT: "7",
    }
    house.engine.run("api-canary-7", "api:latest", Labels=marks)
    house.engine.fail("remove", "before", EngineUnavailable("no answer"), skip=1)
    house.pass_watch()


SCENES: dict[str, tuple[Callable[[House], None], set[str]]] = {
    "rebuilds": (rebuilt_three_times, {"container.retired", "image.removed", "step.done"}),
    "rolled back": (rolled_back, {"deployment.ended", "step.waiting", "strategy.chosen"}),
    "fallen": (fallen, {"step.done", "deployment.ended"}),
    "switches": (switched, {"request.done"}),
    "killed": (killed, {"deployment.resumed"}),
    "in the way": (
        in_the_way,
        {"container.left_running", "container.stopped_again", "container.swept"},
    ),
}


def check_placed(event: str, facts: dict[str, Any]) -> None:
    """Target, epoch and deployment are there, where they can be."""
    assert facts["target"] == NAME, event
    assert isinstance(facts["epoch"], int), event
    if event not in OF_NO_DEPLOYMENT:
        assert isinstance(facts["deployment"], int), event


@pytest.mark.parametrize("scene, expected", SCENES.values(), ids=SCENES.keys())
def test_every_event_can_be_placed(scene: Callable[[House], None], expected: set[str]) -> None:
    """Whatever happens, and by whichever daemon."""
    house = House(replace(TARGET, watch_s=10.0), host={"NetworkMode": "web"})
    house.settle()
    scene(house)
    assert expected | {"target.looked", "target.adopted"} <= {e for _, e, _ in house.log.said}
    for _, event, facts in house.log.said:
        check_placed(event, facts)


def test_the_epoch_is_that_of_the_lease_at_the_moment() -> None:
    """Before there is one nothing is claimed; of a lost lease it is the last; what is bound stands."""
    house, log = House(), FakeLog()
    audit = Audit(log, Epoch(house.tenure))
    audit.info("one.done")
    first = house.tenure.epoch
    house.tenure.resign()
    audit.warning("two.lost")
    audit.bind(epoch=7, deployment=1).error("three.failed")
    Audit(log, Epoch(house.tenure)).info("four.begun")
    assert [facts for *_, facts in log.said] == [
        {"epoch": first},
        {"epoch": first},
        {"epoch": 7, "deployment": 1},
        {},
    ]


@pytest.mark.parametrize("on_the_way", [True, False], ids=["on the way", "while it is built"])
def test_what_was_parked_is_named(*, on_the_way: bool) -> None:
    """Told to stop, it says which deployment the next daemon goes on with."""
    house = House()
    house.settle()
    house.write(BILLING, CRM, MAIL)

    def told_to_stop(name: str, _args: tuple[str, ...]) -> None:
        if name == ("create" if on_the_way else "build"):
            house.stopping.set()

    house.engine.spy = told_to_stop
    with pytest.raises(Parked) as parked:
        house.settle()
    (left,) = house.deployments
    assert parked.value.deployment_id == left.id
    assert (left.goal is not None) == on_the_way
