"""The next step of a replacement: `next_step(goal, seen)`, a pure function.

The shell looks at the engine, asks here, performs the one step, and looks again. Nothing is
remembered between two calls but the goal, so a daemon that is killed anywhere, between a
request and its answer too, simply starts looking again. Each step is therefore written as
"what is seen that is not yet as it should be", in an order that keeps these true:

* the old container serves, or can be put back by one start, until the successor is proven;
* a container is started once; where that start fails, it is given up (but one that went down
  with the engine itself is started again, see `shell.interruptions`);
* at any moment one of the two comes up after a reboot, and it is one that was proven: what is
  created has the restart policy `no`, and gets its own once it is proven; only then does the old
  one's go to `no` (an `unless-stopped` or `on-failure`, which the engine would not honour for a
  container that was stopped, is `always` meanwhile). So nobody unproven is started by the engine
  again and again, and an engine that is killed is not likely to be killed in the midst of such a
  start, after which older ones keep the published port taken;
* names move last. They are output: who is who is told by ids and labels. But an old one that was
  born of the old hand-over is put aside before it is stopped: whenever it is started again, by us
  or by the engine, it stops whoever bears the final name, and is not to find anybody, itself
  included.

The three ways forward and the way back are each a straight run of such sentences.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from refitd.core import along, back, policy
from refitd.core.container import Container
from refitd.core.goal import (
    Connect,
    Create,
    Disconnect,
    Drain,
    Failed,
    Goal,
    MakeAnew,
    NoteCanaryProven,
    Outcome,
    Pause,
    Remove,
    Rename,
    Restart,
    Role,
    Start,
    Step,
    Stop,
    Succeeded,
    Tag,
    TurnBack,
    Wait,
)
from refitd.core.seen import SERVES, Seen
from refitd.core.spare import key_of

#: How often what was created in part only is created once more.
PATIENCE = 3


def next_step(goal: Goal, seen: Seen) -> Step | Outcome:
    """The one thing to do next, or how it ended."""
    return next(step for step in _way(goal, seen) if key_of(step) not in seen.vain)


def _way(goal: Goal, seen: Seen) -> Iterator[Step | Outcome]:
    if goal.turned is not None:
        return back.back(goal, seen, goal.turned)
    if seen.stranger is not None:
        return iter([TurnBack(f"the name {goal.name} was given to another container meanwhile")])
    forward = {"swap": _swap, "overlap": _overlap, "restart": _restart}[goal.way]
    return forward(goal, seen)


def in_critical_section(goal: Goal, seen: Seen) -> bool:
    """Whether nothing proven serves: the old one is stopped and the new one is not proven.

    Such a section is entered under an extended lease and then finished, whoever asks to stop. A
    companion that ran and does not is such a one, too.
    """
    return nothing_serves(goal, seen) or along.bereft(goal, seen)


def nothing_serves(goal: Goal, seen: Seen) -> bool:
    """The same of the target alone."""
    if goal.old_state == "stopped":
        return False
    if goal.way == "restart":
        old = seen.old
        gone = old is None or old.state not in SERVES or _was_restarted(goal, old)
        return gone and not (old and seen.verdict(old).is_ == "proven")
    if seen.old is not None and seen.old.state in SERVES:
        return False
    return not (seen.successor and seen.verdict(seen.successor).is_ == "proven")


def turned_back(goal: Goal, seen: Seen, cause: str) -> Goal:
    """The goal with that noted: from here on its way leads back."""
    old = seen.old
    restarted = goal.way == "restart" and old is not None and _was_restarted(goal, old)
    return replace(goal, turned=cause, restarted_at=old.started_at if restarted and old else "")


def _was_restarted(goal: Goal, old: Container) -> bool:
    """By us, whether or not that was written down; or by hand, which is as good. What the engine
    starts by the policy of one that falls over, it counts; a restart begins that count anew."""
    began_anew = old.started_at != goal.old_started_at and old.restart_count == 0
    return goal.restarted or began_anew


def enters_critical_section(goal: Goal, step: Step) -> bool:
    """Whether this step takes away what serves now."""
    serving = {each.id for each in goal.companions if each.state != "stopped"}
    if goal.old_state != "stopped":
        serving.add(goal.old_id)
    return isinstance(step, Stop | Restart) and step.id in serving


def _swap(goal: Goal, seen: Seen) -> Iterator[Step | Outcome]:
    """Prove a canary, stop the old one, start the successor in its place, prove it again."""
    old, successor = seen.old, seen.successor
    if successor is None:
        yield from _start_interrupted(goal, seen)
    yield from _prove_canary(goal, seen)
    yield from _create_successor(goal, seen)
    yield from along.create(seen)
    assert successor is not None
    if goal.old_state == "stopped":
        if old is not None and old.state in SERVES:
            yield TurnBack("the stopped container was started by somebody else meanwhile")
        yield from _take_over(goal, seen)
    if successor.state == "created" or seen.is_interrupted(successor):
        yield from _drain(goal, old)
        yield from along.stop_before(seen)
        yield from _stop_old(goal, old)
        yield Start(successor.id, "successor")
    yield from _await_proof(goal, seen, successor)
    if goal.old_state == "paused" and successor.runs:
        yield Pause(successor.id)
    yield from _take_over(goal, seen)


def _overlap(goal: Goal, seen: Seen) -> Iterator[Step | Outcome]:
    """Prove the successor beside the old one, bind its names late, then stop the old one."""
    old, successor = seen.old, seen.successor
    if successor is None or not _is_bound(goal, successor):
        yield from _start_interrupted(goal, seen)
    yield from _create_successor(goal, seen)
    yield from along.create(seen)
    assert successor is not None
    if successor.state == "created" or seen.is_interrupted(successor):
        yield Start(successor.id, "successor")
    if seen.verdict(successor).is_ == "failed" or not _cut_off(goal, successor):
        yield from _await_proof(goal, seen, successor)
    yield from _bind_late(goal, successor)
    yield from _await_proof(goal, seen, successor)
    yield from _drain(goal, old)
    yield from _take_over(goal, seen)


def _restart(goal: Goal, seen: Seen) -> Iterator[Step | Outcome]:
    """Prove a canary of the same image, which reads the new table, then restart in place."""
    old = seen.old
    if old is None:
        yield from back.clear_up(goal, seen)
        yield Failed("the container is gone", transient=True)
    assert old is not None
    if goal.old_state != "stopped" and seen.is_interrupted(old):
        yield Restart(old.id)
    if not _was_restarted(goal, old):
        yield from _prove_canary(goal, seen)
        yield from along.stop_before(seen)
        yield Restart(old.id)
    if seen.canary:
        yield Remove(seen.canary.id, "canary")
    verdict = seen.verdict(old)
    if verdict.is_ == "failed":
        yield TurnBack(f"after its restart {verdict.cause}")
    if verdict.is_ == "pending":
        yield Wait(verdict.cause)
    yield from along.restart_each(goal, seen)
    yield Succeeded(old.id)


def _start_interrupted(goal: Goal, seen: Seen) -> Iterator[Step | Outcome]:
    """As long as nothing has taken the old one's place, it is to serve."""
    if seen.old and goal.old_state == "running" and seen.is_interrupted(seen.old):
        yield from back.put_aside(goal, seen.old)
        yield Start(seen.old.id, "old")


def _prove_canary(goal: Goal, seen: Seen) -> Iterator[Step | Outcome]:
    """A container that nobody talks to shows that the image starts and gets healthy."""
    if goal.canary and not goal.canary_proven and seen.successor is None:
        if seen.canary is None:
            yield from _need_old(goal, seen)
            yield Create("canary")
        assert seen.canary is not None
        yield from _in_full(goal, seen.old, seen.canary, "canary")
        if seen.canary.state == "created" or seen.is_interrupted(seen.canary):
            yield Start(seen.canary.id, "canary")
        verdict = seen.verdict(seen.canary)
        if verdict.is_ == "failed":
            yield TurnBack(f"the canary failed: {verdict.cause}")
        if verdict.is_ == "pending":
            yield Wait(f"canary: {verdict.cause}")
        yield NoteCanaryProven()
    if seen.canary:
        yield Remove(seen.canary.id, "canary")


def _need_old(goal: Goal, seen: Seen) -> Iterator[Step | Outcome]:
    """Whatever is created is made in the old one's likeness: without it there is no way on."""
    if seen.old is None:
        yield from back.clear_up(goal, seen)
        yield Failed("the container is gone: somebody removed it meanwhile", transient=True)


def _create_successor(goal: Goal, seen: Seen) -> Iterator[Step | Outcome]:
    if seen.successor is None:
        yield from _need_old(goal, seen)
        yield Create("successor")
    assert seen.successor is not None
    yield from _in_full(goal, seen.old, seen.successor, "successor")
    if seen.gate and seen.successor.state == "created":
        yield TurnBack(unlike(seen.gate))


def _in_full(
    goal: Goal, old: Container | None, made: Container, role: Role
) -> Iterator[Step | Outcome]:
    """Older engines take one network at creation, and the others by a call each: whoever died
    between them, or got no answer, has left it without."""
    lacks = networks_due(goal, old) - made.networks.keys()
    if made.state == "created" and lacks and goal.made_anew < PATIENCE:
        yield MakeAnew(made.id, role)


def networks_due(goal: Goal, old: Container | None) -> frozenset[str]:
    """On which networks a likeness of the old one is to be before its start."""
    names = (old.networks.keys() if old else set()) - {"none", "host"}
    return frozenset(name for name in names if goal.late.get(name, ("from the start",)))


def unlike(gate: Collection[str]) -> str:
    """What the fidelity gate found, by the paths of the fields."""
    return "the new container would differ from the old one in " + ", ".join(gate)


def _drain(goal: Goal, old: Container | None) -> Iterator[Step | Outcome]:
    """Before its stop signal the old one is told, and given time."""
    due = goal.drain_s > 0 or goal.drain_command
    if old is not None and old.runs and due and not goal.drained:
        yield Drain(goal.drain_s, old.id, goal.drain_command)


def _stop_old(goal: Goal, old: Container | None) -> Iterator[Step | Outcome]:
    if old is None or old.state not in SERVES:
        return
    yield from policy.survive_a_stop(old)
    yield from back.put_aside(goal, old)
    yield Stop(old.id, "old")


def _await_proof(goal: Goal, seen: Seen, successor: Container) -> Iterator[Step | Outcome]:
    if successor.state == "paused" and goal.old_state == "paused":
        return  # proven before it was paused
    verdict = seen.verdict(successor)
    if verdict.is_ == "failed":
        yield TurnBack(f"the new container failed: {verdict.cause}")
    if verdict.is_ == "pending":
        yield Wait(verdict.cause)


def _cut_off(goal: Goal, successor: Container) -> bool:
    """Whether it is off a network for the moment between disconnecting and connecting it.

    It was proven before, and cannot be now: what it needs may be on that very network. (One
    that it is only to be connected to, without aliases of its own, it was never on.)
    """
    return any(aliases and net not in successor.networks for net, aliases in goal.late.items())


def _is_bound(goal: Goal, successor: Container) -> bool:
    return all(
        set(aliases) <= set(successor.networks.get(network, ())) and network in successor.networks
        for network, aliases in goal.late.items()
    )


def _bind_late(goal: Goal, successor: Container) -> Iterator[Step | Outcome]:
    for network, aliases in goal.late.items():
        if network not in successor.networks:
            yield Connect(successor.id, network)
        elif not set(aliases) <= set(successor.networks[network]):
            yield Disconnect(successor.id, network)


def _take_over(goal: Goal, seen: Seen) -> Iterator[Step | Outcome]:
    """The old one steps aside, the successor gets its policy, the final name, its companions, and
    the tag.

    In a swap the old one was stopped before; but a reboot brings one with the policy `always`
    up again, whoever stopped it.
    """
    old, successor = seen.old, seen.successor
    assert successor is not None
    yield from policy.give(successor, goal.old_policy, goal.old_retries)
    yield from policy.let_go(old)
    if old is not None and old.state in SERVES:
        yield from back.put_aside(goal, old)
        yield Stop(old.id, "old")
    if old is not None and old.name == goal.name:
        yield Rename(old.id, goal.previous_name)
    if successor.name != goal.name:
        yield Rename(successor.id, goal.name)
    yield from along.replace_each(goal, seen)
    if goal.configured_tag and seen.tag_image != goal.image_id:
        yield Tag(goal.image_id, goal.configured_tag)
    yield Succeeded(successor.id)
