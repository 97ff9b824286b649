"""The daemon is killed before and after every call to the engine: the next one finishes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import pytest

from refitd.core.target import Target
from refitd.shell.cloner import Cloner
from refitd.shell.foresight import plan
from refitd.shell.rescue import rescue
from tests.contracts.model_engine import Behaviour, Build
from tests.shell.fakes import Killed
from tests.shell.house import BILLING, CRM, MAIL, NAME, TARGET, House, off

OVERLAP = replace(TARGET, concurrent=True, drain_s=1.0)
BAD = Behaviour("unhealthy", 1.0)


def swap(policy: str = "always") -> House:
    """Published ports: one after the other, with a canary."""
    house = House(policy=policy)
    house.settle()
    house.write(BILLING, CRM, MAIL)
    return house


def overlap(policy: str = "always") -> House:
    """Two may run side by side."""
    house = House(OVERLAP, host={"NetworkMode": "web"}, policy=policy)
    house.settle()
    house.write(BILLING, CRM, MAIL)
    return house


def restart(policy: str = "always") -> House:
    """A toggle."""
    house = House(policy=policy)
    house.settle()
    house.write(BILLING, off(CRM))
    return house


def bad_canary() -> House:
    """The new image never gets healthy; the canary shows it."""
    house = swap()
    house.engine.script_builds(*[Build(behaviour=BAD)] * 3)
    return house


def bare_swap(policy: str = "always") -> House:
    """A swap for which no canary may run."""
    house = House(replace(TARGET, canary=False), policy=policy)
    house.settle()
    house.write(BILLING, CRM, MAIL)
    return house


def bad_successor() -> House:
    """No canary may run, so that the successor shows it, and the old one must come back."""
    house = bare_swap()
    house.engine.script_builds(*[Build(behaviour=BAD)] * 3)
    return house


def hand_over(target: Target = TARGET, policy: str = "always", **body: Any) -> House:
    """One born of the old hand-over: at each start it stops whoever bears its name."""
    house = House(target, policy=policy, Env=["REPLACING_CONTAINER=api"], **body)
    house.engine.hands_over = True
    house.settle()
    house.write(BILLING, CRM, MAIL)
    return house


def bare_hand_over(policy: str = "always") -> House:
    """A swap for which no canary may run, and whose old one may have to be started again."""
    return hand_over(replace(TARGET, canary=False), policy)


def overlap_hand_over(policy: str = "always") -> House:
    """Two may run side by side, and the first would stop the second."""
    return hand_over(OVERLAP, policy, host={"NetworkMode": "web"})


def bad_hand_over() -> House:
    """The new one shows that it is no good when the old one is stopped."""
    house = bare_hand_over()
    house.engine.script_builds(*[Build(behaviour=BAD)] * 3)
    return house


def bad_overlap() -> House:
    """The same side by side."""
    house = overlap()
    house.engine.script_builds(*[Build(behaviour=BAD)] * 3)
    return house


def fallen() -> House:
    """In its watch window the new one falls over."""
    return _fallen(swap())


def fallen_hand_over() -> House:
    """The same where the old one, started, would stop whoever bears its name."""
    return _fallen(hand_over())


def _fallen(house: House) -> House:
    house.settle()
    house.clock.sleep(5.0)
    house.engine.behaves[house.serving().image_id] = BAD
    house.engine.restart("api")
    house.clock.sleep(2.0)
    return house


GOOD: dict[str, Callable[..., House]] = {
    "swap": swap,
    "overlap": overlap,
    "restart": restart,
    "old hand-over": bare_hand_over,
    "old hand-over, overlap": overlap_hand_over,
}
WRONG = {
    "bad canary": bad_canary,
    "bad successor": bad_successor,
    "bad overlap": bad_overlap,
    "fallen in its watch window": fallen,
    "bad successor of the old hand-over": bad_hand_over,
    "fallen, of the old hand-over": fallen_hand_over,
}


def killed(house: House, at: int, when: str) -> bool:
    """Let the daemon work until it is killed at that call; False when there is no such call."""
    house.engine.arm(at, when)  # type: ignore[arg-type]
    try:
        house.settle()
    except Killed:
        return True
    finally:
        house.engine.revive()
    return False


def check_served(house: House) -> None:
    """Somebody serves; or a starting daemon finds in the labels whom to start, and one start
    does it, with no database."""
    if serves(house):
        return
    before = len(house.engine.calls)
    rescue(house.engine, house.target, "one", house.log)
    done = [call for call, *_ in house.engine.calls[before:]]
    assert done[-1:] == ["start"]
    assert set(done[:-1]) <= {"rename"}
    assert serves(house)


def serves(house: House) -> bool:
    """One that is not a canary runs."""
    everyone = house.engine.everyone()
    return any(each.runs and "canary" not in each.name for each in everyone)


def every_kill(scene: Callable[[], House], *, rescued: bool) -> list[House]:
    """The scene, killed at each call in turn and taken on by a new daemon."""
    houses: list[House] = []
    for at in range(1, 80):
        for when in ("before", "after"):
            house = scene()
            if not killed(house, at, when):
                assert at > 5, "there were calls to be killed at"
                return houses
            if rescued:
                check_served(house)
            house.new_daemon()
            house.settle()
            houses.append(house)
    raise AssertionError("no end of calls")


@pytest.mark.parametrize("rescued", [False, True], ids=["resumed", "rescued first"])
@pytest.mark.parametrize("scene", GOOD.values(), ids=GOOD.keys())
def test_killed_on_the_way(scene: Callable[[], House], *, rescued: bool) -> None:
    """Killed anywhere on the way forward: the table is served, by one, and nothing is left."""
    for house in every_kill(scene, rescued=rescued):
        house.check_in_step()


@pytest.mark.parametrize("rescued", [False, True], ids=["resumed", "rescued first"])
@pytest.mark.parametrize("scene", WRONG.values(), ids=WRONG.keys())
def test_killed_on_the_way_back(scene: Callable[[], House], *, rescued: bool) -> None:
    """Killed anywhere on a way that leads back: what was before serves, as it did, alone."""
    for house in every_kill(scene, rescued=rescued):
        check_as_before(house)
        house.pass_watch()
        check_as_before(house)


def foreseen(house: House) -> tuple[str, ...]:
    """What `refitd plan` says is done with what was left half done, step by step."""
    cloner = Cloner(house.engine, house.target, "plan", mark="7")
    view = plan(house.target, house.engine, house.git, house.journal, cloner, None)
    (left,) = (each for each in house.deployments if each.goal and not each.finished_at)
    assert view.decision == left.action
    assert f"deployment {left.id} " in view.reason
    assert "has not ended" in view.reason
    return view.steps[1:]


@pytest.mark.parametrize("scene", GOOD.values(), ids=GOOD.keys())
def test_the_plan_of_what_was_left_half_done(scene: Callable[[], House]) -> None:
    """Killed anywhere once it has a goal: the plan says which deployment is gone on with, and the
    steps that it names are those which the next daemon takes."""
    compared = 0
    for at in range(1, 80):
        house = scene()
        if not killed(house, at, "after"):
            break
        left = [each for each in house.deployments if each.goal and not each.finished_at]
        if not left:
            continue
        so_far = house.database.steps.get(left[0].id, [])
        before = len(so_far)
        house.new_daemon()
        steps, names = foreseen(house), house.all_names()
        assert house.all_names() == names
        house.settle()
        taken = house.database.steps[left[0].id][before:]
        assert steps == tuple(each.detail for each in taken)
        compared += 1
    assert compared > 2


def killed_with_a_canary(scene: Callable[[], House]) -> House:
    """The daemon dies just after it has started the canary."""
    for at in range(1, 30):
        house = scene()
        assert killed(house, at, "after")
        if any("canary" in each.name and each.runs for each in house.engine.everyone()):
            return house
    raise AssertionError("no canary")


def test_the_plan_of_what_went_wrong() -> None:
    """A canary that has failed already: the plan says that it turns back, why, and to what end."""
    house = killed_with_a_canary(bad_canary)
    house.clock.sleep(5.0)
    house.new_daemon()
    turn, remove, *_, end = foreseen(house)
    assert turn.startswith("turn back: the canary failed: its health check failed")
    assert remove == "remove the canary"
    assert end.startswith("end with: the canary failed")


def check_as_before(house: House) -> None:
    """The first container bears the name and serves; nothing else is there."""
    container = house.serving()
    assert container.id == house.first.id
    assert (container.state, container.restart_policy) == ("running", "always")
    assert house.all_names() == ["api"]
    assert house.database.records[NAME].container_id == container.id
    assert house.database.records[NAME].started_at == container.started_at
    assert all(each.finished_at for each in house.deployments)
    assert house.engine.handed_over == []


@pytest.mark.parametrize("policy", ["always", "unless-stopped"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("scene", GOOD.values(), ids=GOOD.keys())
def test_engine_killed(
    scene: Callable[..., House], when: Literal["before", "after"], policy: str
) -> None:
    """The engine is killed at each call in turn and started again, which stops what ran and calls
    that a stop by hand: nobody is blamed for it, and the table is served all the same."""
    undisturbed = scene(policy)
    undisturbed.engine.arm(10**6, when)
    undisturbed.settle()
    for at in range(1, undisturbed.engine.count + 1):
        house = scene(policy)
        house.engine.arm(at, when, "engine")
        house.settle()
        for _ in range(8):  # what the engine was asked before anything was touched is tried later
            house.clock.sleep(10.0)
            house.settle()
        house.check_in_step()


@pytest.mark.parametrize("scene", GOOD.values(), ids=GOOD.keys())
@pytest.mark.parametrize("when", ["before", "after"])
def test_no_answer(scene: Callable[[], House], when: str) -> None:
    """Each call in turn gets no answer, done or not: the daemon looks again, and gets there."""
    undisturbed = scene()
    undisturbed.engine.calls.clear()
    undisturbed.settle()
    for nth, call in enumerate(undisturbed.engine.calls):
        house = scene()
        same = [name for name, *_ in undisturbed.engine.calls[:nth]].count(call[0])
        house.engine.fail(call[0], when, skip=same)  # type: ignore[arg-type]
        house.settle()
        for _ in range(8):  # a build or tag that got no answer is tried after a while
            house.clock.sleep(10.0)
            house.settle()
        house.check_in_step()


@pytest.mark.parametrize("scene", GOOD.values(), ids=GOOD.keys())
def test_retired(scene: Callable[[], House]) -> None:
    """When the watch window is over, one container is there and no other."""
    house = scene()
    house.settle()
    house.pass_watch()

    house.check_in_step()
    assert house.all_names() == ["api"]


@pytest.mark.parametrize("scene", [bad_successor, bad_overlap])
def test_unproven_is_not_started_by_the_engine(scene: Callable[[], House]) -> None:
    """What was never proven has no restart policy at any moment, so the engine does not start it
    again and again, nor after a reboot."""
    house = scene()
    policies: set[str] = set()

    def note(_when: object) -> None:
        made = (each for each in house.engine.unobserved() if each.name.startswith("api-succ"))
        policies.update(each.restart_policy for each in made)

    house.engine.fate = note
    house.settle()

    assert house.ends == [("rebuild", "rolled_back")]
    assert policies == {"no"}


def test_reboot_with_on_failure() -> None:
    """That policy is not honoured for who was stopped, either: it is `always` meanwhile."""
    house = bare_swap("on-failure")
    house.engine.set_restart_policy("api", "on-failure", 3)
    house.policy = "on-failure"

    def reboot(when: object) -> None:
        if when == "after" and house.engine.calls[-1] == ("start", "api-successor-1"):
            house.engine.fate = lambda _when: None
            house.engine.reboot()
            house.engine.kill()

    house.engine.fate = reboot
    with pytest.raises(Killed):
        house.settle()
    house.engine.revive()
    assert [each.name for each in house.engine.everyone() if each.runs] == ["api"]

    house.new_daemon()
    house.settle()
    house.check_in_step()
    assert house.serving().restart_retries == 3


def test_back_from_a_restart_and_the_engine_dies() -> None:
    """The canary fails, and at any call of the way the engine dies: the old one runs as it did, with
    its own restart policy."""
    for at in range(1, 30):
        house = House(policy="unless-stopped")
        house.settle()
        house.engine.behaves["api:latest"] = BAD
        house.write(BILLING, off(CRM))
        house.engine.arm(at, "before", "engine")
        house.settle()
        dead = house.engine.kill_at is None

        assert [each.state for each in house.deployments] in (["rolled_back"], ["failed"])
        assert house.serving().runs
        assert house.serving().restart_policy == "unless-stopped"
        if not dead:
            return
    raise AssertionError("there is no end of calls")
