"""Replacing a container, step by step: forward, back, and cut off anywhere."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refitd.core.container import Container
from refitd.core.goal import (
    Drain,
    Failed,
    Goal,
    RolledBack,
    SetPolicy,
    Step,
    Stop,
    Succeeded,
    Wait,
)
from refitd.core.proof import PROVEN, Verdict
from refitd.core.rollout import (
    enters_critical_section,
    in_critical_section,
    next_step,
)
from refitd.core.seen import Seen
from refitd.core.wording import sentence, step_name
from tests.core.world import Fate, Mishap, World, container, goal_of, script

OVERLAP: dict[str, Any] = {"way": "overlap", "canary": False, "late": {"web": ("api", "backend")}}


def names(world: World) -> list[str]:
    """The steps taken, waits left out."""
    return [step_name(step) for step in world.taken if not isinstance(step, Wait)]


# -- Forward ---------------------------------------------------------------------------------------


def test_swap() -> None:
    """A canary is proven, then the old one stops and the successor takes its place; its policy
    goes over to the successor once that is proven, names and tag move last."""
    world = World(goal_of())

    assert world.run() == Succeeded("successor")
    assert names(world) == [
        "create_canary",
        "start_canary",
        "note_canary_proven",
        "remove_canary",
        "create_successor",
        "stop_old",
        "start_successor",
        "set_policy",
        "set_policy",
        "rename",
        "rename",
        "tag",
    ]
    assert (world.old or pytest.fail("gone")).name == "api-previous-41"


def test_swap_of_the_old_hand_over() -> None:
    """The old one, which at each start stops whoever bears the final name, is put aside before it
    is stopped, so that nobody bears it while it may have to be started again."""
    world = World(goal_of(old_hands_over=True, canary=False))

    assert world.run() == Succeeded("successor")
    assert names(world) == [
        "create_successor",
        "rename",
        "stop_old",
        "start_successor",
        "set_policy",
        "set_policy",
        "rename",
        "tag",
    ]


def test_swap_without_canary() -> None:
    """Where none may be started, all else is the same."""
    world = World(goal_of(canary=False))

    assert world.run() == Succeeded("successor")
    assert names(world)[:3] == ["create_successor", "stop_old", "start_successor"]


def test_unless_stopped() -> None:
    """An engine does not bring up what was stopped with `unless-stopped`: it is `always` while
    it is the way back."""
    world = World(goal_of(old_policy="unless-stopped", canary=False))
    world.run()

    assert world.taken[1:3] == [SetPolicy("old", "always", 0), Stop("old", "old")]
    assert (world.old or pytest.fail("gone")).restart_policy == "no"


def test_overlap() -> None:
    """The successor is proven beside the old one, gets its names, is proven again, and only
    then the old one drains and stops."""
    world = World(goal_of(**OVERLAP, drain_s=5.0))

    assert world.run() == Succeeded("successor")
    assert names(world) == [
        "create_successor",
        "start_successor",
        "disconnect",
        "connect",
        "drain",
        "set_policy",
        "set_policy",
        "stop_old",
        "rename",
        "rename",
        "tag",
    ]
    waits = [n for n, step in enumerate(world.taken) if isinstance(step, Wait)]
    at = [step_name(step) for step in world.taken]
    assert at.index("start_successor") < waits[0] < at.index("disconnect")
    assert at.index("connect") < waits[-1] < at.index("drain")


def test_overlap_by_traffic_network() -> None:
    """With a traffic network, it is only connected to that one once proven, and never cut off."""
    world = World(goal_of(**OVERLAP | {"late": {"traffic": ()}}))

    assert world.run() == Succeeded("successor")
    assert names(world)[:3] == ["create_successor", "start_successor", "connect"]


def test_overlap_on_two_networks() -> None:
    """Cut off one network to be connected again, it is not asked to be healthy: what it needs
    may be there."""
    late = {"db": ("api",), "web": ("api",)}
    old = container("old", "api", networks=late)
    cut = container("new", "api-successor-41", networks={"web": ()})
    seen = Seen(old, cut, verdicts={"new": Verdict("pending", "no database")})

    assert step_name(next_step(goal_of(**OVERLAP | {"late": late}), seen)) == "connect"  # type: ignore[arg-type]


def test_restart() -> None:
    """A canary reads the new table first; then the engine restarts the old one in place."""
    world = World(goal_of(way="restart", configured_tag=None, image_id="image-1"))

    assert world.run() == Succeeded("old")
    assert names(world) == [
        "create_canary",
        "start_canary",
        "note_canary_proven",
        "remove_canary",
        "restart",
    ]


def test_restart_of_one_that_falls_over_meanwhile() -> None:
    """What the engine starts again by its policy is not what was wanted: it is restarted, and only
    then is it to blame for what it does."""
    goal = goal_of(way="restart", canary_proven=True)
    again = container("old", "api", started_at="later", restart_count=3)
    fell = Verdict("failed", "it fell over")
    by_hand = replace(again, restart_count=0)

    def step(goal: Goal, old: Container) -> str:
        return step_name(next_step(goal, Seen(old, verdicts={"old": fell})))  # type: ignore[arg-type]

    assert step(goal, again) == "restart"
    assert step(replace(goal, restarted=True), again) == "turn_back"
    assert step(goal, by_hand) == "turn_back"


def test_paused() -> None:
    """One that was paused is replaced by one that is paused, once that was proven."""
    world = World(goal_of(old_state="paused"))

    assert world.run() == Succeeded("successor")
    assert (world.successor or pytest.fail("gone")).state == "paused"


def test_stopped() -> None:
    """One that was stopped is replaced by one that was never started; a canary ran, though."""
    world = World(goal_of(old_state="stopped"))

    assert world.run() == Succeeded("successor")
    assert (world.successor or pytest.fail("gone")).state == "created"
    assert "stop_old" not in names(world)


def test_stopped_and_started_meanwhile() -> None:
    """Where somebody starts the stopped one meanwhile, it is not taken away from them."""
    world = World(goal_of(old_state="stopped"))
    for step in world.steps():
        if step_name(step) == "create_successor":  # type: ignore[arg-type]
            world._start("old")

    assert (world.old or pytest.fail("gone")).runs
    assert set(world.containers) == {"old"}


# -- The critical section --------------------------------------------------------------------------


def test_critical_section() -> None:
    """It begins with the stop of the old one, and ends with the proof of the new one."""
    world = World(goal_of())
    entered: list[str] = []
    inside: list[str] = []
    goal = world.goal
    while not isinstance(step := next_step(goal, seen := world.seen), Succeeded):
        assert not isinstance(step, RolledBack | Failed)
        if enters_critical_section(goal, step):
            entered.append(step_name(step))
        if in_critical_section(goal, seen):
            inside.append(step_name(step))
        world._try(step)
        goal = world.goal

    assert entered == ["stop_old"]
    assert inside == ["start_successor", "wait"]


def test_critical_section_of_a_restart() -> None:
    """It lasts from the restart to the proof."""
    goal = goal_of(way="restart")
    before, after = container("old", "api"), container("old", "api", started_at="later")

    assert not in_critical_section(goal, Seen(before))
    assert in_critical_section(goal, Seen(after))
    assert not in_critical_section(goal, Seen(after, verdicts={"old": PROVEN}))


def test_no_critical_section() -> None:
    """There is none where nothing served, where the engine brings it up again, or in overlap."""
    stopped = goal_of(old_state="stopped")
    loops = container("old", "api", state="restarting")

    assert not in_critical_section(stopped, Seen(container("old", "api", state="exited")))
    assert not enters_critical_section(stopped, Stop("old", "old"))
    assert not in_critical_section(goal_of(), Seen(loops))
    both = Seen(container("old", "api"), container("new", "x"))
    assert not in_critical_section(goal_of(**OVERLAP), both)


# -- Cut off anywhere ------------------------------------------------------------------------------

GOALS: dict[str, Goal] = {
    "swap": goal_of(),
    "swap, no canary": goal_of(canary=False),
    "swap, unless-stopped": goal_of(old_policy="unless-stopped"),
    "swap, no policy": goal_of(old_policy="no"),
    "swap, on-failure": goal_of(old_policy="on-failure", old_retries=3, canary=False),
    "swap, paused": goal_of(old_state="paused"),
    "swap, stopped": goal_of(old_state="stopped"),
    "overlap": goal_of(**OVERLAP),
    "overlap, unless-stopped": goal_of(**OVERLAP, old_policy="unless-stopped", drain_s=1.0),
    "overlap, traffic network": goal_of(**OVERLAP | {"late": {"traffic": ()}}),
    "swap, of the old hand-over": goal_of(old_hands_over=True),
    "swap, of the old hand-over, no canary": goal_of(old_hands_over=True, canary=False),
    "overlap, of the old hand-over": goal_of(**OVERLAP, old_hands_over=True),
    "restart": goal_of(way="restart", configured_tag=None, image_id="image-1"),
}

fates: st.SearchStrategy[Fate] = st.sampled_from(("good", "good", "bad", "refused"))
mishaps: st.SearchStrategy[list[Mishap | None]] = st.lists(
    st.sampled_from((None, None, None, "refused", "lost", "unheard")), max_size=25
)
with_reboots: st.SearchStrategy[list[Mishap | None]] = st.lists(
    st.sampled_from((None, None, None, "lost", "unheard", "reboot")), max_size=25
)


def check_end(world: World, outcome: object, goal: Goal) -> None:
    """One bears the name, as it should be, and nothing is left over."""
    final = [each for each in world.containers.values() if each.name == "api"]
    assert len(final) == 1
    assert "canary" not in world.containers
    assert final[0].restart_policy == goal.old_policy
    state = {"running": "running", "paused": "paused"}.get(goal.old_state)
    if state:
        assert final[0].state == state
    if isinstance(outcome, Succeeded):
        assert outcome.container_id == final[0].id
        assert not goal.configured_tag or world.tag_image == goal.image_id
        old = world.old
        if old and old is not final[0]:
            assert (old.name, old.restart_policy) == ("api-previous-41", "no")
            assert old.state == "exited"
    else:
        assert final[0].id == "old"
        assert set(world.containers) == {"old"}
        assert world.tag_image == "image-1"


@given(st.sampled_from(list(GOALS)), fates, fates, mishaps)
def test_interrupted(
    name: str, canary: Fate, successor: Fate, befalls: list[Mishap | None]
) -> None:
    """Refusals and lost answers at any step: at each moment somebody serves, or one start of
    the old one would do; a reboot would bring somebody up; and it ends as it should."""
    goal = GOALS[name]
    world = World(goal, canary, successor, script(befalls))
    for _ in world.steps():
        assert world.old, "the old one is never removed"
        if goal.old_state != "stopped":
            assert world.serving or world.one_start_serves()
            if goal.old_policy in ("always", "unless-stopped"):
                assert world.comes_up()

    check_end(world, world.outcome, goal)


@given(
    st.sampled_from([name for name, goal in GOALS.items() if goal.old_state == "running"]),
    fates,
    fates,
    with_reboots,
)
def test_rebooted(name: str, canary: Fate, successor: Fate, befalls: list[Mishap | None]) -> None:
    """Reboots at any step besides: it ends as it should all the same."""
    goal = GOALS[name]
    world = World(goal, canary, successor, script(befalls))

    check_end(world, world.run(), goal)


@given(st.sampled_from(list(GOALS)), fates, mishaps, st.integers(0, 25))
def test_turned_anywhere(name: str, successor: Fate, befalls: list[Mishap | None], at: int) -> None:
    """Whenever it is decided to turn back, it ends in what was before, unless it was over."""
    goal = GOALS[name]
    world = World(goal, "good", successor, script(befalls))
    for n, _ in enumerate(world.steps()):
        if n == at:
            world.goal = replace(world.goal, turned=world.goal.turned or "somebody said so")

    check_end(world, world.outcome, goal)


@given(
    name=st.sampled_from([name for name, goal in GOALS.items() if not goal.old_hands_over]),
    removed=st.booleans(),
    successor=fates,
    at=st.integers(0, 20),
    befalls=mishaps,
)
def test_name_given_away(
    name: str, *, removed: bool, successor: Fate, at: int, befalls: list[Mishap | None]
) -> None:
    """Somebody puts another container under the final name: it is left to serve, the old one stays
    what it is, and what was made for the deployment goes."""
    world = World(GOALS[name], "good", successor, script(befalls))
    for n, step in enumerate(world.steps()):
        if n == at and not isinstance(step, Succeeded | RolledBack | Failed):
            world.put_in_place_by_hand()
            if removed:
                world.containers.pop("old")

    if world.stranger is None:
        return
    assert isinstance(world.outcome, Failed)
    assert world.outcome.transient
    assert world.containers["stranger"] == container("stranger", "api")
    assert set(world.containers) == ({"stranger"} if removed else {"stranger", "old"})
    assert removed or world.tag_image == "image-1"


def all_steps() -> list[Step]:
    """Each step that the ways above consist of."""
    found: dict[str, Step] = {}
    for goal in GOALS.values():
        for fate in ("good", "bad"):
            world = World(goal, successor_fate=fate)
            world.run()
            found |= {step_name(step): step for step in world.taken}
    return list(found.values())


@pytest.mark.parametrize("step", all_steps(), ids=step_name)
def test_step_in_words(step: Step) -> None:
    """Each step can be put into words, and no sentence names an id."""
    words = sentence(step, goal_of(**OVERLAP))

    assert words
    assert words[0].islower()


@pytest.mark.parametrize("way", ["swap", "overlap"])
def test_drain_command(way: str) -> None:
    """What the old one is to be told is said before its stop, once; in a swap while it serves."""
    more = OVERLAP if way == "overlap" else {}
    world = World(goal_of(**more, drain_command=("drain", "now")))
    world.run()

    steps = names(world)
    assert steps.count("drain") == 1
    assert steps.index("drain") < steps.index("stop_old")
    drain = next(step for step in world.taken if isinstance(step, Drain))
    assert drain == Drain(0.0, "old", ("drain", "now"))
