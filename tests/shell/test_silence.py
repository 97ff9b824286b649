"""A call that gets no answer, however often, while the engine answers all others: every pursuit
ends, with the target up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from refitd.core.container import CreateRequest
from refitd.core.goal import Goal
from refitd.core.rollout import in_critical_section
from refitd.errors import EngineUnavailable
from refitd.shell.observe import who_is_there
from tests.shell.house import House
from tests.shell.test_crash import bad_successor, overlap, restart, swap
from tests.shell.test_in_vain import settle_in_time

#: Of an image that is kept for a deployment.
OWN_TAG = ":refitd-"
#: The calls on each way that change something; a start is another matter, see below.
CALLS: list[tuple[Callable[[], House], str]] = [
    *[(swap, call) for call in ("create", "stop", "rename", "set_restart_policy", "tag")],
    *[(overlap, call) for call in ("create", "stop", "rename", "set_restart_policy", "tag")],
    *[(overlap, call) for call in ("connect", "disconnect")],
    *[(restart, call) for call in ("create", "restart")],
    *[(bad_successor, call) for call in ("create", "stop", "remove")],
]


def silence(house: House, call: str, *, does: Callable[[str], Any] = str) -> list[str]:
    """From now on this call does this at most, and does not return in time; but for what a look
    tries out. Answers who it was about each time."""
    real = getattr(house.engine, call)
    about: list[str] = []

    def silent(whom: str | CreateRequest, *args: Any, **options: Any) -> Any:
        found = house.engine.container(whom) if isinstance(whom, str) else whom
        name = found.name if found else "an image"
        if "probe" in name or OWN_TAG in str(args):
            return real(whom, *args, **options)
        about.append(name)
        does(str(whom))
        raise EngineUnavailable("timed out")

    setattr(house.engine, call, silent)
    return about


@pytest.mark.parametrize("scene, call", CALLS, ids=[f"{c[0].__name__} {c[1]}" for c in CALLS])
def test_no_answer(scene: Callable[[], House], call: str) -> None:
    """It is given up after a while, and what was before serves."""
    house = scene()
    asked = silence(house, call)
    settle_in_time(house)

    assert len(asked) > 1
    assert [each.state for each in house.deployments] == ["rolled_back"]
    assert house.serving().runs


def test_canary_that_cannot_be_removed() -> None:
    """That it is left over is no reason not to go on."""
    house = restart()
    asked = silence(house, "remove")
    settle_in_time(house)

    assert asked[0].startswith("api-canary")
    assert house.ends[-1] == ("restart", "succeeded")


@pytest.mark.parametrize("scene", [swap, overlap, restart])
def test_start_while_the_old_one_serves(scene: Callable[[], House]) -> None:
    """A canary, or one beside the old one, whose start gets no answer is given up."""
    house = scene()
    silence(house, "start")
    settle_in_time(house)

    assert [each.state for each in house.deployments] == ["rolled_back"]
    assert house.serving().runs


def test_half_a_restart() -> None:
    """The engine stops it and gets no further: nothing serves, so that is a critical section, and it
    is given up soon, and started."""
    house = restart()
    engine, inside = house.engine, []

    def stop_only(id_: str) -> None:
        engine._get(id_).stop(engine._now(), by_hand=True)
        goal = Goal.from_json(house.deployments[-1].goal or {})
        inside.append(in_critical_section(goal, who_is_there(engine, house.target, goal)))

    silence(house, "restart", does=stop_only)
    settle_in_time(house)

    assert inside == [True] * 3
    assert house.ends[-1] == ("restart", "rolled_back")
    assert house.serving().runs
