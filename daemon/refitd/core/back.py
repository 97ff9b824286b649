"""The way back: what was before is put back, the old container first.

Sentences of the same kind as those of the ways forward (`core.rollout`). A roll-back is never
rolled back: it waits for the old one to run, and says how it is. There are two ends in which the
old one does not get its name again: somebody removed it, or gave its name to another container.
That one is left to them; what refitd made goes.
"""

from __future__ import annotations

from collections.abc import Iterator

from refitd.core import along, policy
from refitd.core.container import Container
from refitd.core.goal import (
    Failed,
    Goal,
    Outcome,
    Pause,
    Remove,
    Rename,
    RolledBack,
    Start,
    Step,
    Stop,
    Tag,
    Wait,
    other_name,
)
from refitd.core.seen import SERVES, Seen


def back(goal: Goal, seen: Seen, cause: str) -> Iterator[Step | Outcome]:
    """Put back what was before. The old one is started first, everything else can wait."""
    old = seen.old
    if old is None:
        yield from clear_up(goal, seen)
        gone = "and the old container is gone, there is nothing to go back to"
        yield Failed(f"{cause}; {gone}{_left(seen)}", transient=True)
    assert old is not None
    if goal.restarted_at:
        yield from _leave_restarted(goal, seen, old, cause)
    yield from _serve_again(goal, seen, old)
    if seen.canary:
        yield Remove(seen.canary.id, "canary")
    yield from along.clear(seen)
    yield from _remove_successor(goal, seen)
    if seen.stranger is not None:
        yield from _leave_aside(goal, seen, old, cause)
    if old.name != goal.name:
        yield from _have_handed_over(goal, seen, old)
        yield Rename(old.id, goal.name)
    yield from along.put_back(goal, seen)
    yield from _tag_as_before(goal, seen)
    if goal.old_falls_over:
        yield Failed(
            f"{cause}; and the old container, which is as it was, falls over again and again:"
            " there was nothing good to go back to"
        )
    yield RolledBack(cause)


def _leave_restarted(
    goal: Goal, seen: Seen, old: Container, cause: str
) -> Iterator[Step | Outcome]:
    """A restart has no way back, the image being the same; but who was stopped for it, or cut off
    by it, runs again. It has one more start, for it may not be its own doing that it is down."""
    excused = old.started_at == goal.restarted_at or seen.is_interrupted(old)
    is_down = goal.old_state != "stopped" and old.state not in SERVES
    if is_down and excused and not _is_served_by_another(seen):
        yield Start(old.id, "old")
    if seen.canary:
        yield Remove(seen.canary.id, "canary")
    if seen.stranger is not None:
        yield from _leave_aside(goal, seen, old, cause)
    yield from along.put_back(goal, seen)
    yield Failed(cause)


def _serve_again(goal: Goal, seen: Seen, old: Container) -> Iterator[Step | Outcome]:
    if _is_served_by_another(seen) and old.state not in SERVES:
        yield from policy.let_go(old)  # it is not to fight with that one for the ports
        return
    yield from _start_old_again(goal, seen, old)
    yield from policy.give(old, goal.old_policy, goal.old_retries)


def _start_old_again(goal: Goal, seen: Seen, old: Container) -> Iterator[Step | Outcome]:
    successor = seen.successor
    if goal.old_state != "stopped" and old.state not in SERVES:
        yield from put_aside(goal, old, successor, seen.stranger)
        yield from _bear_a_reboot(goal, old)
        if goal.way == "swap" and successor and successor.state in SERVES:
            yield from policy.let_go(successor)  # else a reboot might bring it up instead
            yield Stop(successor.id, "successor")  # it holds the ports
        yield Start(old.id, "old")
    if goal.old_state == "paused" and old.runs:
        yield Pause(old.id)


def _bear_a_reboot(goal: Goal, old: Container) -> Iterator[Step | Outcome]:
    """Before what runs is stopped in favour of the old one, that one must come up by itself."""
    wanted, retries = policy.while_stopped(goal.old_policy, goal.old_retries)
    yield from policy.give(old, wanted, retries)


def _have_handed_over(goal: Goal, seen: Seen, old: Container) -> Iterator[Step | Outcome]:
    """Once it is healthy, its hand-over is behind it, and it may bear the name again."""
    verdict, started = seen.verdict(old), old.started_at != goal.old_started_at
    if goal.old_hands_over and started and old.runs and verdict.is_ == "pending":
        yield Wait(f"the old one, under another name: {verdict.cause}")


def _leave_aside(goal: Goal, seen: Seen, old: Container, cause: str) -> Iterator[Step | Outcome]:
    """Somebody gave its name to another container, and that is left to them."""
    if old.state in SERVES:
        yield from along.put_back(goal, seen)
    yield from _tag_as_before(goal, seen)
    is_now = "runs on" if old.state in SERVES else "is stopped, and left there,"
    yield Failed(f"{cause}; the old container {is_now} as {old.name}", transient=True)


def _remove_successor(goal: Goal, seen: Seen) -> Iterator[Step | Outcome]:
    """It gives the name back first: it may be that it cannot be stopped or removed."""
    successor = seen.successor
    if successor is None:
        return
    if successor.name == goal.name:
        yield Rename(successor.id, goal.transitional_name("successor"))
    if successor.state in SERVES:
        yield Stop(successor.id, "successor")
    yield Remove(successor.id, "successor")


def _tag_as_before(goal: Goal, seen: Seen) -> Iterator[Step | Outcome]:
    moved = seen.tag_image == goal.image_id != goal.configured_before
    if moved and goal.configured_tag and goal.configured_before:
        yield Tag(goal.configured_before, goal.configured_tag)


def clear_up(goal: Goal, seen: Seen) -> Iterator[Step | Outcome]:
    """Leave nothing over where the old one is gone; but a new one that runs, or bears the name, is
    all there is, and gets what the old one had."""
    another_serves, successor = _is_served_by_another(seen), seen.successor
    if seen.canary:
        yield Remove(seen.canary.id, "canary")
    yield from along.clear(seen, all_of_them=another_serves)
    if successor is None:
        return
    kept = successor.state in SERVES or successor.name == goal.name
    if another_serves or not kept:
        yield from _remove_successor(goal, seen)
    yield from policy.give(successor, goal.old_policy, goal.old_retries)
    yield from along.keep(seen)
    if successor.name != goal.name and seen.stranger is None:
        yield Rename(successor.id, goal.name)


def _left(seen: Seen) -> str:
    return f"; the new one is left as {seen.successor.name}" if seen.successor else ""


def _is_served_by_another(seen: Seen) -> bool:
    """Somebody put another container in the place of ours, and it runs."""
    return seen.stranger is not None and seen.stranger.state in SERVES


def put_aside(
    goal: Goal,
    old: Container,
    successor: Container | None = None,
    stranger: Container | None = None,
) -> Iterator[Step | Outcome]:
    """Where the old hand-over would find somebody under the final name, nobody may bear it."""
    if not goal.old_hands_over:
        return
    if stranger:
        yield Rename(stranger.id, other_name(goal.name, stranger.id))
    if successor and successor.name == goal.name:
        yield Rename(successor.id, goal.transitional_name("successor"))
    if old.name == goal.name:
        yield Rename(old.id, goal.previous_name)
