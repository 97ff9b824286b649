"""The way back from each way, and from where there is nothing to go back to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from refitd.core.goal import (
    Failed,
    Rename,
    RolledBack,
    SetPolicy,
    Start,
    Succeeded,
    TurnBack,
    Wait,
)
from refitd.core.proof import PROVEN, Verdict
from refitd.core.rollout import (
    next_step,
    turned_back,
)
from refitd.core.seen import Seen
from refitd.core.wording import step_name
from tests.core.test_rollout import OVERLAP, names
from tests.core.world import World, container, goal_of

BACK: dict[str, tuple[dict[str, Any], dict[str, Any], list[str]]] = {
    "canary unhealthy": ({}, {"canary_fate": "bad"}, ["turn_back", "remove_canary"]),
    "canary does not start": ({}, {"canary_fate": "refused"}, ["start_canary", "remove_canary"]),
    "restart, canary unhealthy": (
        {"way": "restart"},
        {"canary_fate": "bad"},
        ["turn_back", "remove_canary"],
    ),
    "successor unhealthy": (
        {},
        {"successor_fate": "bad"},
        ["turn_back", "stop_successor", "start_old", "remove_successor"],
    ),
    "successor does not start": (
        {},
        {"successor_fate": "refused"},
        ["start_successor", "start_old", "remove_successor"],
    ),
    "unless-stopped": (
        {"old_policy": "unless-stopped"},
        {"successor_fate": "refused"},
        ["start_successor", "start_old", "set_policy", "remove_successor"],
    ),
    "paused": (
        {"old_state": "paused"},
        {"successor_fate": "bad"},
        ["turn_back", "stop_successor", "start_old", "pause", "remove_successor"],
    ),
    "of the old hand-over": (
        {"old_hands_over": True},
        {"successor_fate": "refused"},
        ["start_successor", "start_old", "remove_successor", "rename"],
    ),
    "overlap": (
        OVERLAP,
        {"successor_fate": "bad"},
        ["turn_back", "stop_successor", "remove_successor"],
    ),
    "not the same": (
        {"canary": False},
        {"gate": ("HostConfig.Memory",)},
        ["create_successor", "turn_back", "remove_successor"],
    ),
}


@pytest.mark.parametrize("goal, world, steps", BACK.values(), ids=BACK.keys())
def test_back(goal: dict[str, Any], world: dict[str, Any], steps: list[str]) -> None:
    """What goes wrong is undone, the old one first, and it stands there as it did before."""
    one = World(goal_of(**goal), **world)
    before = one.old

    assert isinstance(one.run(), RolledBack)
    assert names(one)[-len(steps) :] == steps
    after = one.old
    assert before
    assert after
    assert replace(after, started_at=before.started_at) == before
    assert set(one.containers) == {"old"}


def test_back_of_the_old_hand_over() -> None:
    """It bears its name again only once it is healthy: by then its hand-over is behind it."""
    goal = goal_of(old_hands_over=True, turned="the new one failed")
    seen = Seen(container("old", "api-previous-41", started_at="again"))

    assert isinstance(next_step(goal, seen), Wait)
    assert next_step(goal, replace(seen, verdicts={"old": PROVEN})) == Rename("old", "api")


def test_back_to_one_that_falls_over() -> None:
    """What fell over again and again is put back as it was; that it serves is not claimed."""
    world = World(goal_of(old_falls_over=True), successor_fate="bad")

    outcome = world.run()
    assert isinstance(outcome, Failed)
    assert "nothing good to go back to" in outcome.cause
    assert set(world.containers) == {"old"}
    assert (world.old or pytest.fail("gone")).name == "api"


def test_late_failure() -> None:
    """One that falls over after it was given names and tag gives them all back."""
    world = World(goal_of())
    for step in world.steps():
        if step_name(step) == "tag" and world.goal.turned is None:  # type: ignore[arg-type]
            world.successor_fate = "bad"
            world.verdicts["successor"] = Verdict("failed", "fell over")

    assert (world.old or pytest.fail("gone")).name == "api"
    assert world.tag_image == "image-1"
    assert set(world.containers) == {"old"}


def test_tag_of_somebody_else() -> None:
    """A tag that somebody moved meanwhile is not moved back."""
    world = World(goal_of(turned="why"), tag_image="theirs")

    assert world.run() == RolledBack("why")
    assert world.tag_image == "theirs"


def test_restart_fails() -> None:
    """A restart has no way back: that is said, and the container stays what it is."""
    seen = Seen(
        container("old", "api", started_at="later"),
        verdicts={"old": Verdict("failed", "its health check failed")},
    )
    said = "after its restart its health check failed"

    assert next_step(goal_of(way="restart"), seen) == TurnBack(said)
    turned = turned_back(goal_of(way="restart"), seen, said)
    assert next_step(turned, seen) == Failed(said)


def test_back_from_a_restart_and_down_with_the_engine() -> None:
    """What went down with the engine once more is started all the same."""
    old = container("old", "api", state="exited", started_at="later")
    down = Seen(old, interrupted=frozenset({"old"}))

    turned = goal_of(way="restart", turned="why", restarted_at="before that")
    assert next_step(turned, down) == Start("old", "old")


def test_back_from_a_restart_and_down() -> None:
    """It has one more start, whyever it is down; the second time it is left as it is."""
    down = Seen(container("old", "api", state="exited", started_at="later"))

    turned = turned_back(goal_of(way="restart"), down, "why")
    assert next_step(turned, down) == Start("old", "old")
    again = container("old", "api", state="exited", started_at="later still")
    assert next_step(turned, Seen(again)) == Failed("why")


def test_restart_of_nobody() -> None:
    """Nor is there one where the container is gone."""
    assert next_step(goal_of(way="restart"), Seen()) == Failed(
        "the container is gone", transient=True
    )


@pytest.mark.parametrize("way", [{}, {"canary": False}, OVERLAP], ids=["canary", "swap", "overlap"])
@pytest.mark.parametrize("at", range(6))
def test_old_one_removed(way: dict[str, Any], at: int) -> None:
    """Somebody removes the old one in the middle: with a successor by then, that takes over; else
    it ends, with nothing left."""
    world = World(goal_of(**way))
    made = False
    for n, _ in enumerate(world.steps()):
        if n == at:
            made = world.successor is not None
            world.containers.pop("old")

    assert isinstance(world.outcome, Succeeded) == made
    if isinstance(world.outcome, Succeeded):
        assert world.successor
        assert (world.successor.name, world.successor.state) == ("api", "running")
    else:
        assert isinstance(world.outcome, Failed)
        assert "canary" not in world.containers
        assert not world.successor or world.successor.runs


def test_back_to_nobody() -> None:
    """Where the old one is gone, a roll-back says so and clears up what does not run; what runs is
    all that serves, and gets policy and name."""
    dead = container("new", "api-successor-41", state="exited")
    goal = goal_of(turned="why")
    assert step_name(next_step(goal, Seen(successor=dead))) == "remove_successor"  # type: ignore[arg-type]

    runs = replace(dead, state="running", restart_policy="no")
    assert next_step(goal, Seen(successor=runs)) == SetPolicy("new", "always", 0)
    runs = replace(runs, restart_policy="always")
    assert next_step(goal, Seen(successor=runs)) == Rename("new", "api")
    end = next_step(goal, Seen(successor=replace(runs, name="api")))
    assert isinstance(end, Failed)
    assert end.cause.endswith("left as api")
