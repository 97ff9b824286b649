"""What `refitd plan` prints is the function that the daemon follows, played through."""

from __future__ import annotations

from typing import Any

import pytest

from refitd.core.goal import Goal, NoteCanaryProven, Wait
from refitd.core.proof import PROVEN
from refitd.core.rehearsal import rehearse
from refitd.core.seen import Seen
from refitd.core.wording import step_name
from tests.core.world import World, container, goal_of

LATE: dict[str, Any] = {"way": "overlap", "canary": False, "late": {"web": ("api", "x")}}

GOALS: dict[str, Goal] = {
    "swap": goal_of(),
    "swap, unless-stopped": goal_of(old_policy="unless-stopped"),
    "swap, paused": goal_of(old_state="paused"),
    "swap, stopped": goal_of(old_state="stopped"),
    "overlap": goal_of(**LATE, drain_s=1.0),
    "overlap, traffic network": goal_of(**LATE | {"late": {"traffic": ()}}),
    "restart": goal_of(way="restart", configured_tag=None, image_id="image-1"),
    "back": goal_of(turned="why"),
}


@pytest.mark.parametrize("goal", GOALS.values(), ids=GOALS.keys())
def test_same_steps(goal: Goal) -> None:
    """Where nothing goes wrong, the steps on paper are those that are taken."""
    world = World(goal)
    seen = Seen(world.old, verdicts={"old": PROVEN}, tag_image="image-1")
    on_paper = [step_name(step) for step in rehearse(goal, seen)]
    world.run()

    assert on_paper == [step_name(s) for s in world.taken if not isinstance(s, Wait)]


def test_from_the_middle() -> None:
    """It can be played on from wherever it stands."""
    seen = Seen(
        container("old", "api", state="exited"),
        container("successor", "api-successor-41"),
        verdicts={"successor": PROVEN},
    )

    steps = rehearse(goal_of(canary_proven=True), seen)
    assert [step_name(step) for step in steps] == ["set_policy", "rename", "rename", "tag"]
    assert not any(isinstance(step, NoteCanaryProven) for step in steps)


def test_back_from_the_middle() -> None:
    """The way back can be played, too."""
    seen = Seen(
        container("old", "api-previous-41", state="exited", restart_policy="no"),
        container("successor", "api"),
        container("canary", "api-canary-41"),
        tag_image="image-2",
    )

    assert [step_name(step) for step in rehearse(goal_of(turned="why"), seen)] == [
        "set_policy",
        "set_policy",
        "stop_successor",
        "start_old",
        "remove_canary",
        "rename",
        "remove_successor",
        "rename",
        "tag",
    ]


def test_turned_on_paper() -> None:
    """A difference that is known beforehand turns back on paper as well."""
    seen = Seen(
        container("old", "api"),
        container("successor", "api-successor-41", state="created"),
        gate=("HostConfig.Memory",),
    )

    steps = rehearse(goal_of(canary_proven=True), seen)
    assert [step_name(step) for step in steps] == ["turn_back", "remove_successor"]


def test_no_end() -> None:
    """A plan without an end is a mistake of ours, and not printed."""
    waits = Seen(container("old", "api"), container("successor", "x"))

    with pytest.raises(AssertionError, match="no end after 60 steps"):
        rehearse(goal_of(canary_proven=True), waits)
