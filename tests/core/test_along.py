"""Companions of the target: replaced after it, restarted with it, put back like it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refitd.core.companions import Companion
from refitd.core.goal import Failed, Goal, RolledBack, Succeeded, Wait
from refitd.core.rehearsal import rehearse
from refitd.core.rollout import in_critical_section, nothing_serves
from refitd.core.seen import Pair, Seen
from refitd.core.wording import sentence, step_name
from tests.core.test_rollout import fates, mishaps, with_reboots
from tests.core.world import Fate, Mishap, World, goal_of, script


def companion(id_: str, *lives_with: str, **values: Any) -> Companion:
    """A running one."""
    base = Companion(id_, f"{id_}-name", "running", "always", 0, "noon", lives_with)
    return replace(base, **values)


PROXY = companion("proxy", "old")
TAILER = companion("tailer", "proxy")
BACKUP = companion("backup")  # uses its volumes
FAMILY = (PROXY, BACKUP, TAILER)
SWAP = goal_of(canary=False, companions=FAMILY)
RESTART = goal_of(
    way="restart",
    canary=False,
    configured_tag=None,
    image_id="image-1",
    companions=(PROXY, TAILER),
)
GOALS: dict[str, Goal] = {
    "swap": SWAP,
    "with a canary": goal_of(companions=FAMILY),
    "unless-stopped": goal_of(
        canary=False, companions=(replace(PROXY, policy="unless-stopped"), BACKUP)
    ),
    "one paused, one stopped": goal_of(
        canary=False,
        companions=(replace(PROXY, state="paused"), replace(BACKUP, state="stopped")),
    ),
    "of a stopped one": goal_of(old_state="stopped", canary=False, companions=(BACKUP,)),
    "overlap": goal_of(
        way="overlap", canary=False, late={"web": ("api", "backend")}, companions=(BACKUP,)
    ),
    "restart": RESTART,
}


def said(world: World) -> list[str]:
    """The steps taken, in words, waits left out."""
    return [sentence(step, world.goal) for step in world.taken if not isinstance(step, Wait)]


def test_swap() -> None:
    """All likenesses are there before anything stops; who would be cut off stops before the
    target, the last of a chain first; each is replaced once the target is, in its turn."""
    world = World(SWAP)

    assert world.run() == Succeeded("successor")
    assert [each for each in said(world) if "policy" not in each and "rename" not in each] == [
        "create the new container (not started), compare it with the old one",
        "create the new proxy-name (not started), compare it with the old one",
        "create the new backup-name (not started), compare it with the old one",
        "create the new tailer-name (not started), compare it with the old one",
        "stop the old tailer-name by its own signal and timeout",
        "stop the old proxy-name by its own signal and timeout",
        "stop the old container by its own signal and timeout",
        "start the new container",
        "start the new proxy-name",
        "stop the old backup-name by its own signal and timeout",
        "start the new backup-name",
        "start the new tailer-name",
        "move the tag api:latest",
    ]


def test_policies() -> None:
    """Each gets its restart policy once it is proven, and only then the old one loses its own."""
    world = World(SWAP)
    world.run()

    passed_on = [
        f"set the {which} {name}'s restart policy to {policy}"
        for name in ("container", "proxy-name", "backup-name", "tailer-name")
        for which, policy in (("new", "always"), ("old", "no"))
    ]
    assert [each for each in said(world) if "policy" in each] == passed_on


def test_named_before_they_start() -> None:
    """A companion is started when the target bears its name, by which it may look for it."""
    world = World(SWAP)
    world.run()
    words = said(world)
    assert words.index("rename the new container to api") < words.index("start the new proxy-name")


def test_restart() -> None:
    """Around a restart in place, those who would be cut off are stopped and started; no others."""
    world = World(RESTART)

    assert world.run() == Succeeded("old")
    assert said(world) == [
        "stop the old tailer-name by its own signal and timeout",
        "stop the old proxy-name by its own signal and timeout",
        "restart the container, with its own stop timeout",
        "start the old proxy-name",
        "start the old tailer-name",
    ]


def test_one_that_does_not_get_well() -> None:
    """A companion whose likeness is not proven turns all of it back."""
    world = World(SWAP, companion_fates={"new tailer": "bad"})

    assert world.run() == RolledBack("the new tailer-name failed: unhealthy")
    check_as_before(world)


def test_one_that_differs() -> None:
    """A likeness that the gate stops turns it back before anything was touched."""
    world = World(SWAP)
    world._create("successor")
    world._create_companion("proxy")
    pair = Pair(PROXY, world.containers["proxy"], world.containers["new proxy"], ("Env.TOKEN",))
    seen = replace(world.seen, pairs=(pair,))
    assert [step_name(step) for step in rehearse(SWAP, seen)][:2] == [
        "turn_back",
        "remove_companion",
    ]


def test_one_removed_by_somebody() -> None:
    """One that is gone has no likeness, and stands in nobody's way."""
    world = World(SWAP)
    del world.containers["backup"]

    assert world.run() == Succeeded("successor")
    assert "new backup" not in world.containers


def test_critical_while_one_is_down() -> None:
    """A companion that ran and is stopped, or cut off, keeps the section critical, though the
    target itself is proven by then."""
    world = World(SWAP)
    critical = [
        (step_name(step), nothing_serves(world.goal, world.seen))  # type: ignore[arg-type]
        for step in world.steps()
        if in_critical_section(world.goal, world.seen)
    ]
    assert critical[0] == ("stop_old_companion", False)
    assert ("stop_old", True) in critical
    target_over = max(n for n, (_, nothing) in enumerate(critical) if nothing)
    assert len(critical) > target_over + 1


def check_as_before(world: World) -> None:
    """Everybody runs as they did, under their names, in namespaces that are there."""
    goal = world.goal
    for each in goal.companions:
        was = world.containers[each.id]
        assert (was.name, was.restart_policy) == (each.name, each.policy)
        if each.state != "stopped":
            assert was.state == each.state
            assert not world.cut_off(each.id)
        assert f"new {each.id}" not in world.containers
    assert set(world.containers) == {"old", *(each.id for each in goal.companions)}


def check_end(world: World) -> None:
    """Everybody is there once, as they were or in their likeness."""
    if not isinstance(world.outcome, Succeeded):
        check_as_before(world)
        return
    for each in world.goal.companions:
        replaced = world.goal.way != "restart"
        now = world.containers[f"new {each.id}" if replaced else each.id]
        assert (now.name, now.restart_policy) == (each.name, each.policy)
        if each.state == "stopped":
            assert now.state == "created"
        else:
            assert now.state == each.state
            assert not world.cut_off(now.id)
        if replaced:
            was = world.containers[each.id]
            assert (was.name, was.restart_policy) == (f"{each.name}-previous-41", "no")
            assert was.state == "exited"


companion_fates: st.SearchStrategy[dict[str, Fate]] = st.dictionaries(
    st.sampled_from(("new proxy", "new backup", "new tailer")), fates
)


@given(st.sampled_from(list(GOALS)), fates, companion_fates, mishaps)
def test_interrupted(
    name: str, successor: Fate, companions: dict[str, Fate], befalls: list[Mishap | None]
) -> None:
    """Refusals and lost answers at any step: it ends with everybody there, once, as before or in
    their likeness."""
    goal = GOALS[name]
    world = World(goal, "good", successor, script(befalls), companion_fates=companions)
    for _ in world.steps():
        if goal.old_state != "stopped":
            assert world.serving or world.one_start_serves()

    check_end(world)


@given(
    st.sampled_from([name for name in GOALS if name not in ("of a stopped one", "restart")]),
    fates,
    companion_fates,
    with_reboots,
)
def test_rebooted(
    name: str, successor: Fate, companions: dict[str, Fate], befalls: list[Mishap | None]
) -> None:
    """So do reboots at any step."""
    world = World(GOALS[name], "good", successor, script(befalls), companion_fates=companions)
    world.run()

    check_end(world)


@given(st.sampled_from(list(GOALS)), mishaps, st.integers(0, 40))
def test_turned_anywhere(name: str, befalls: list[Mishap | None], at: int) -> None:
    """Whenever it is decided to turn back, everybody is as before, unless it was over."""
    world = World(GOALS[name], mishaps=script(befalls))
    for n, _ in enumerate(world.steps()):
        if n == at:
            world.goal = replace(world.goal, turned=world.goal.turned or "somebody said so")

    check_end(world)


@pytest.mark.parametrize("name", list(GOALS))
def test_on_paper(name: str) -> None:
    """A plan has the same steps."""
    goal = GOALS[name]
    world = World(goal)
    seen = replace(world.seen, tag_image="image-1")
    on_paper = [step_name(step) for step in rehearse(goal, seen)]
    world.run()

    assert on_paper == [step_name(step) for step in world.taken if not isinstance(step, Wait)]


def test_restart_that_fails() -> None:
    """Where the target is not well after its restart, those who were cut off are restarted all
    the same, and it is said that it failed."""
    world = World(RESTART)
    world.companion_fates["old"] = "bad"
    assert isinstance(world.run(), Failed)
    assert not world.cut_off("proxy")
    assert not world.cut_off("tailer")


def test_gone_without_a_way_back() -> None:
    """Where the old one is gone, likenesses that run stay, and others go."""
    world = World(replace(SWAP, turned="why"))
    del world.containers["old"]
    for each in ("proxy", "backup"):
        world._create_companion(each)
    world._change("new backup", state="running")

    assert isinstance(world.run(), Failed)
    assert "new proxy" not in world.containers
    assert "new backup" in world.containers


def test_goal_survives_a_crash() -> None:
    """The row in which a goal stands has its companions, too."""
    assert Goal.from_json(SWAP.to_json()) == SWAP
    older = {key: value for key, value in SWAP.to_json().items() if key != "companions"}
    assert Goal.from_json(older).companions == ()


def test_seen_without_companions() -> None:
    """Where there are none, nothing is critical for their sake."""
    assert not in_critical_section(goal_of(), Seen(World(goal_of()).old))
