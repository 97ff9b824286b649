"""What is refused, or does not stay up, however often it is tried: every pursuit ends, and says so."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from refitd.core import labels
from refitd.core.container import Container
from refitd.errors import EngineRefused, NotFound
from tests.contracts.model_engine import Behaviour, Build
from tests.shell.fakes import Moment
from tests.shell.house import BILLING, CRM, MAIL, House, off
from tests.shell.test_by_hand import make_anew, when
from tests.shell.test_companions import BAD, house_of_three
from tests.shell.test_crash import bad_overlap, bad_successor, bare_swap, fallen, overlap


def refuse(
    house: House,
    call: str,
    whose: Callable[[Container], bool],
    given: tuple[object, ...] = (),
    times: int = 10**6,
) -> None:
    """The engine refuses this call for these containers, where it is `given` this."""
    real = getattr(house.engine, call)
    refused: list[str] = []

    def refusing(container_id: str, *args: object, **options: object) -> None:
        found = house.engine.container(container_id)
        hit = found is not None and whose(found) and args[: len(given)] == given
        if hit and len(refused) < times:
            refused.append(container_id)
            raise EngineRefused("device or resource busy")
        real(container_id, *args, **options)

    setattr(house.engine, call, refusing)


def is_successor(container: Container) -> bool:
    """Made by refitd to take the place of another."""
    return container.labels.get(labels.ROLE) == labels.SUCCESSOR


def settle_in_time(house: House) -> None:
    """It ends, after minutes at most."""
    before_s = house.clock.now_s()
    house.settle()
    assert house.clock.now_s() - before_s < 600.0


def test_successor_that_bears_the_name_and_cannot_be_removed() -> None:
    """It gives the name back first, and is left over."""
    house = fallen()
    refuse(house, "remove", is_successor)
    settle_in_time(house)

    assert house.ends[-1] == ("rollback", "rolled_back")
    assert house.serving().id == house.first.id
    assert house.log.facts("step.failed")
    assert "busy" not in str(house.deployments[-1].step)


def test_successor_that_cannot_be_stopped() -> None:
    """In overlap the old one serves all the while: that is no reason to stay."""
    house = bad_overlap()
    refuse(house, "stop", is_successor)
    settle_in_time(house)

    assert house.ends == [("rebuild", "rolled_back")]
    for _ in range(3):
        house.clock.sleep(30.0)
        house.settle()
    assert house.all_names() == ["api"]


def test_left_over_after_a_failure() -> None:
    """What could not be removed is tried again with later looks, however it ended."""
    house = overlap()
    refuse(house, "remove", is_successor, times=3)
    when(house, ("start", "api-successor-1"), lambda: make_anew(house))
    for _ in range(20):
        house.settle()
        house.clock.sleep(30.0)

    assert "api-successor-1" not in house.all_names()


def test_companions_name_given_away() -> None:
    """Another container bears the name of a companion: that one runs again under the name it has."""
    house = house_of_three()
    house.write(BILLING, CRM, MAIL)

    def deed() -> None:
        house.engine.rename("proxy", "proxy-old")
        house.engine.run("proxy", "proxy:1")

    when(house, ("start", "api-successor-1"), deed)
    settle_in_time(house)

    assert house.ends == [("rebuild", "rolled_back")]
    assert "left undone: " in str(house.deployments[0].error)
    kept = house.engine.container("proxy-old")
    assert kept
    assert kept.runs


def test_companions_policy_refused() -> None:
    """It is left as it is, and the row says whose."""
    house = house_of_three()
    house.engine.script_builds(Build(behaviour=BAD))
    house.write(BILLING, CRM, MAIL)
    refuse(house, "set_restart_policy", lambda each: each.name == "proxy", ("unless-stopped",))
    settle_in_time(house)

    assert house.ends == [("rebuild", "rolled_back")]
    assert "left undone: " in str(house.deployments[0].error)


def test_companion_that_does_not_stay_up() -> None:
    """One without a restart policy that ends at once is not started for ever."""
    house = house_of_three()
    proxy = house.engine.container("proxy")
    assert proxy
    house.engine.set_restart_policy("proxy", "no")
    house.engine.behaves["proxy:1"] = Behaviour("exits", 0.0)
    house.write(BILLING, off(CRM))
    settle_in_time(house)

    assert house.ends == [("restart", "failed")]
    assert "left undone: " in str(house.deployments[0].error)


def test_old_one_that_does_not_stay_up_at_once() -> None:
    """On the way back it is started until it runs, however often: there is no other way."""
    house = bad_successor()
    house.policy = "no"
    house.engine.set_restart_policy("api", "no")
    house.engine.behaves["api:latest"] = Behaviour("exits", 0.0)
    starts: list[str] = []

    def count(moment: Moment) -> None:
        if moment == "before" and house.engine.calls[-1][:1] == ("start",):
            starts.append("")
        if len(starts) == 20:
            house.engine.behaves["api:latest"] = Behaviour("healthy", 0.0)

    house.engine.fate = count
    settle_in_time(house)

    assert house.ends == [("rebuild", "rolled_back")]
    assert house.serving().runs


def test_old_one_whose_start_is_refused_for_long() -> None:
    """The row says why all the while, and it is written down once."""
    house = bad_successor()
    start, told = house.engine.start, list[str]()

    def refusing(container_id: str) -> None:
        if container_id == house.first.id and len(told) < 50:
            told.append(str(house.deployments[-1].step))
            message = f"endpoint api ({len(told):064x}): the port is taken"
            raise EngineRefused(message)
        start(container_id)

    house.engine.start = refusing  # type: ignore[method-assign]
    settle_in_time(house)

    assert house.ends == [("rebuild", "rolled_back")]
    assert house.serving().id == house.first.id
    assert len(told) == 50
    assert told[0] == "start_old"
    assert all("the port is taken" in step for step in told[1:])
    assert [facts["step"] for facts in house.log.facts("step.failed")] == ["start_old"]
    steps = house.journal.steps(house.deployments[-1].id)
    assert len([step for step in steps if step.error]) == 1
    assert "the port is taken" not in str(house.deployments[-1].step)


def test_a_step_that_is_refused_while_the_old_one_serves() -> None:
    """What is left to do is left, and said."""
    house = bare_swap("unless-stopped")
    house.engine.script_builds(*[Build(behaviour=BAD)] * 3)
    refuse(house, "set_restart_policy", lambda each: each.runs, ("unless-stopped",))
    settle_in_time(house)

    assert house.serving().id == house.first.id
    assert house.serving().runs
    assert house.ends == [("rebuild", "rolled_back")]
    said = "left undone: set the old container's restart policy to unless-stopped"
    assert said in str(house.deployments[0].error)


def calm(house: House) -> None:
    """An hour of looks."""
    for _ in range(120):
        house.clock.sleep(30.0)
        house.settle()


def test_proven_one_that_cannot_be_stopped() -> None:
    """Turned back by one refusal, with the old one stopped: as long as the new one cannot be stopped
    it serves, and whatever comes, in the end one does."""
    house = bare_swap()
    refuse(house, "rename", lambda each: each.id == house.first.id, times=1)
    refuse(house, "stop", is_successor, times=10)
    settle_in_time(house)
    assert house.serving().runs

    calm(house)
    assert house.serving().runs


@pytest.mark.parametrize("call", ["rename", "stop", "remove"])
@pytest.mark.parametrize("times", [3, 12])
def test_fallen_one_is_never_the_target_again(call: str, times: int) -> None:
    """In overlap, whatever of its going is refused: the old one serves, under its name."""
    house = overlap()
    house.settle()
    house.clock.sleep(5.0)
    house.engine.behaves[house.serving().image_id] = BAD
    house.engine.restart("api")
    house.clock.sleep(2.0)
    refuse(house, call, is_successor, times=times)
    settle_in_time(house)
    calm(house)

    assert house.serving().id == house.first.id
    assert house.all_names() == ["api"]
    assert house.ends == [("rebuild", "succeeded"), ("rollback", "rolled_back")]


def test_image_of_before_is_gone() -> None:
    """The tag cannot be moved back to an image that was pruned: all else is put back, the bad image
    is not tried again, and the row says what was left."""
    house = fallen()
    tag = house.engine.tag

    def pruned(image_id: str, reference: str) -> None:
        if image_id == house.first.image_id and reference == "api:latest":
            raise NotFound("no such image")
        tag(image_id, reference)

    house.engine.tag = pruned  # type: ignore[method-assign]
    settle_in_time(house)
    calm(house)

    assert house.ends[-1] == ("rollback", "rolled_back")
    assert len(house.deployments) == 2
    assert "left undone: move the tag api:latest" in str(house.deployments[1].error)


def test_what_is_created_is_removed_again_and_again() -> None:
    """By somebody's clean-up, for one: it is given up after a few times."""
    house = bare_swap()
    start, made = house.engine.start, []

    def cleaned(container_id: str) -> None:
        found = house.engine.container(container_id)
        if found is not None and found.name == "api-successor-1":
            made.append(container_id)
            house.engine.remove(container_id)
        start(container_id)

    house.engine.start = cleaned  # type: ignore[method-assign]
    settle_in_time(house)

    assert house.ends == [("rebuild", "rolled_back")]
    assert len(made) == 3
