"""What is refused, or does not stay up, however often it is tried: every pursuit ends, and says so."""

from __future__ import annotations

from collections.abc import Callable

from refitd.core import labels
from refitd.core.container import Container
from refitd.errors import EngineRefused
from tests.contracts.model_engine import Behaviour, Build
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
    assert "left as they are: proxy" in str(house.deployments[0].error)
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
    assert "left as they are: proxy" in str(house.deployments[0].error)


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
    assert "left as they are: proxy" in str(house.deployments[0].error)


def test_old_one_that_does_not_stay_up() -> None:
    """On the way back it is started so often, and then the row says that it was in vain: what is
    written next may mend it."""
    house = bad_successor()
    house.policy = "no"
    house.engine.set_restart_policy("api", "no")
    house.engine.behaves["api:latest"] = Behaviour("exits", 0.0)
    settle_in_time(house)

    assert house.ends == [("rebuild", "failed")]
    assert "start the old container was in vain" in str(house.deployments[0].error)


def test_a_step_that_is_refused_while_the_old_one_serves() -> None:
    """What is left to do is left, and said."""
    house = bare_swap("unless-stopped")
    house.engine.script_builds(*[Build(behaviour=BAD)] * 3)
    refuse(house, "set_restart_policy", lambda each: each.runs, ("unless-stopped",))
    settle_in_time(house)

    assert house.serving().id == house.first.id
    assert house.serving().runs
    assert house.ends == [("rebuild", "failed")]
    assert "restart policy to unless-stopped was in vain" in str(house.deployments[0].error)
