"""The companions' part of a replacement (`core.rollout`), in sentences of the same kind.

Forward, in a swap or an overlap: their likenesses are created and compared before anything stops.
Those who live in the target's namespaces stop before it, the last of a chain first; once the
successor is proven and bears the name, each of them is replaced in turn. For a restart in place
they stop in the same way (whoever loses his PID namespace is killed, and counted as fallen over),
and are started after it. Back: their likenesses go, and they run again as they did.
"""

from __future__ import annotations

from collections.abc import Iterator

from refitd.core import policy
from refitd.core.companions import started_before
from refitd.core.container import Container
from refitd.core.goal import (
    Create,
    Goal,
    Outcome,
    Pause,
    Remove,
    Rename,
    Restart,
    Start,
    Step,
    Stop,
    TurnBack,
    Wait,
)
from refitd.core.seen import SERVES, Pair, Seen


def create(seen: Seen) -> Iterator[Step | Outcome]:
    """The likeness of each, not started; one that somebody took away meanwhile has none."""
    for pair in seen.pairs:
        if pair.new is None and pair.old is not None:
            yield Create("companion", pair.of.id)
        if pair.gate and pair.new is not None and pair.new.state == "created":
            paths = ", ".join(pair.gate)
            yield TurnBack(f"the new {pair.of.name} would differ from the old one in {paths}")


def stop_before(seen: Seen) -> Iterator[Step | Outcome]:
    """Those who would be cut off stop while what they live with is still there."""
    for pair in reversed(seen.pairs):
        if pair.of.is_cut_off:
            yield from _stop_old(pair)


def replace_each(goal: Goal, seen: Seen) -> Iterator[Step | Outcome]:
    """One after the other, each proven before the next, which may live with it."""
    for pair in seen.pairs:
        if pair.new is None:
            continue
        yield from _stop_old(pair)
        yield from _rename(goal, pair)
        yield from _run_new(seen, pair, pair.new)


def restart_each(goal: Goal, seen: Seen) -> Iterator[Step | Outcome]:
    """After a restart in place: those who would have been cut off by it."""
    for pair in seen.pairs:
        yield from run_again(goal, seen, pair)
        if pair.old is not None and pair.of.state != "stopped":
            yield from policy.give(pair.old, pair.of.policy, pair.of.retries, pair.of.id)
    for pair in seen.pairs:
        if pair.old is None or pair.of.state == "stopped":
            continue
        verdict = seen.verdict(pair.old)
        if verdict.is_ == "failed":
            yield TurnBack(f"after the restart {pair.of.name} failed: {verdict.cause}")
        if verdict.is_ == "pending" and pair.old.state != "paused":
            yield Wait(f"{pair.of.name}: {verdict.cause}")
        yield from _pause(pair, pair.old)


def clear(seen: Seen, *, all_of_them: bool = True) -> Iterator[Step | Outcome]:
    """On the way back: their likenesses go, the last of a chain first. Where there is nothing to
    go back to, those who run stay."""
    for pair in reversed(seen.pairs):
        if pair.new is None or (pair.new.state in SERVES and not all_of_them):
            continue
        if pair.new.state in SERVES:
            yield Stop(pair.new.id, "companion", pair.of.id)
        yield Remove(pair.new.id, "companion", pair.of.id)


def keep(seen: Seen) -> Iterator[Step | Outcome]:
    """Where there is nothing to go back to: those likenesses that run get their policies."""
    for pair in seen.pairs:
        if pair.new is not None and pair.new.state in SERVES:
            yield from policy.give(pair.new, pair.of.policy, pair.of.retries, pair.of.id)


def put_back(goal: Goal, seen: Seen) -> Iterator[Step | Outcome]:
    """On the way back, once the old one runs under its name: they run again as they did."""
    for pair in seen.pairs:
        if pair.old is None:
            continue
        yield from run_again(goal, seen, pair)
        yield from policy.give(pair.old, pair.of.policy, pair.of.retries, pair.of.id)
        if pair.old.name != pair.of.name:
            yield Rename(pair.old.id, pair.of.name, pair.of.id)
        yield from _pause(pair, pair.old)


def bereft(goal: Goal, seen: Seen) -> bool:
    """Whether a companion that ran is stopped or cut off, and its likeness not proven."""
    for pair in seen.pairs:
        proven = pair.new is not None and seen.verdict(pair.new).is_ == "proven"
        there = pair.old is not None or pair.new is not None
        if pair.of.state == "running" and there and not proven and not _serves(goal, seen, pair):
            return True
    return False


def _serves(goal: Goal, seen: Seen, pair: Pair) -> bool:
    old = pair.old
    return old is not None and old.state in SERVES and not _is_stale(goal, seen, pair, old)


def run_again(goal: Goal, seen: Seen, pair: Pair) -> Iterator[Step | Outcome]:
    """Start it where it ran and does not, anew where it was cut off."""
    if pair.old is None or pair.of.state == "stopped":
        return
    if pair.old.state not in SERVES:
        yield Start(pair.old.id, "old_companion", pair.of.id)
    if _is_stale(goal, seen, pair, pair.old):
        yield Restart(pair.old.id, "old_companion", pair.of.id)


def _stop_old(pair: Pair) -> Iterator[Step | Outcome]:
    if pair.old is None or pair.old.state not in SERVES:
        return
    yield from policy.survive_a_stop(pair.old, pair.of.id)
    yield Stop(pair.old.id, "old_companion", pair.of.id)


def _rename(goal: Goal, pair: Pair) -> Iterator[Step | Outcome]:
    assert pair.new is not None
    if pair.old is not None and pair.old.name == pair.of.name:
        yield Rename(pair.old.id, goal.previous(pair.of.name), pair.of.id)
    if pair.new.name != pair.of.name:
        yield Rename(pair.new.id, pair.of.name, pair.of.id)


def _run_new(seen: Seen, pair: Pair, new: Container) -> Iterator[Step | Outcome]:
    if pair.of.state == "stopped":
        yield from _pass_policy_on(pair, new)
        return
    if new.state == "created" or seen.is_interrupted(new):
        yield Start(new.id, "companion", pair.of.id)
    if new.state == "paused" and pair.of.state == "paused":
        return  # proven before it was paused
    verdict = seen.verdict(new)
    if verdict.is_ == "failed":
        yield TurnBack(f"the new {pair.of.name} failed: {verdict.cause}")
    if verdict.is_ == "pending":
        yield Wait(f"{pair.of.name}: {verdict.cause}")
    yield from _pass_policy_on(pair, new)
    yield from _pause(pair, new)


def _pass_policy_on(pair: Pair, new: Container) -> Iterator[Step | Outcome]:
    """From the old one to the new one, so that at any moment a reboot brings one of them up."""
    yield from policy.give(new, pair.of.policy, pair.of.retries, pair.of.id)
    yield from policy.let_go(pair.old, pair.of.id)


def _pause(pair: Pair, container: Container) -> Iterator[Step | Outcome]:
    if pair.of.state == "paused" and container.runs:
        yield Pause(container.id)


def _is_stale(goal: Goal, seen: Seen, pair: Pair, old: Container) -> bool:
    """Whether whom it lives with was started anew by us after it, or does not run any more."""
    for owner_id in pair.of.lives_with:
        owner, found_at = _owner(goal, seen, owner_id)
        if owner is None or owner.state not in SERVES:
            return True
        anew = owner.started_at != found_at
        if anew and started_before(old.started_at, owner.started_at):
            return True
    return False


def _owner(goal: Goal, seen: Seen, id_: str) -> tuple[Container | None, str]:
    """Whom a companion lives with, and when that one had been started at first."""
    if id_ == goal.old_id:
        return seen.old, goal.old_started_at
    pair = next(pair for pair in seen.pairs if pair.of.id == id_)
    return pair.old, pair.of.started_at
