"""A replacement played through on paper: `next_step` against a model of the engine.

What `refitd plan` prints is therefore the very function that the daemon will follow, and not
a second description of it. Nothing goes wrong in a rehearsal.
"""

from __future__ import annotations

from dataclasses import replace

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
    RolledBack,
    SetPolicy,
    Start,
    Step,
    Stop,
    Succeeded,
    Tag,
    TurnBack,
    Wait,
)
from refitd.core.proof import PROVEN
from refitd.core.rollout import networks_due, next_step, turned_back
from refitd.core.seen import Pair, Seen

#: After any time that an engine writes.
_JUST_NOW = "~"


def rehearse(goal: Goal, seen: Seen, most: int = 60) -> tuple[Step, ...]:
    """All the steps to success, from what is seen now."""
    return play(goal, seen, most)[0]


def play(goal: Goal, seen: Seen, most: int = 60) -> tuple[tuple[Step, ...], Outcome]:
    """All the steps from what is seen now, and how it ends."""
    taken: list[Step] = []
    for _ in range(most):
        step = next_step(goal, seen)
        if isinstance(step, Succeeded | RolledBack | Failed):
            return tuple(taken), step
        taken.append(step)
        goal, seen = _noted(goal, seen, step), _performed(goal, seen, step)
    msg = f"no end after {most} steps: {taken[-3:]}"
    raise AssertionError(msg)


def _noted(goal: Goal, seen: Seen, step: Step) -> Goal:
    match step:
        case NoteCanaryProven():
            return replace(goal, canary_proven=True)
        case Drain():
            return replace(goal, drained=True)
        case MakeAnew():
            return replace(goal, made_anew=goal.made_anew + 1)
        case TurnBack(cause=cause):
            return turned_back(goal, seen, cause)
        case _:
            return goal


def _performed(  # noqa: C901, PLR0911, PLR0912 - one case a step
    goal: Goal, seen: Seen, step: Step
) -> Seen:
    match step:
        case Create(role="canary"):
            return replace(seen, canary=_made("canary", goal, seen.old))
        case Create(role="companion", of=of):
            return replace(seen, pairs=tuple(_with_likeness(each, of) for each in seen.pairs))
        case Create():
            return replace(seen, successor=_made("successor", goal, seen.old))
        case Remove(role="canary") | MakeAnew(role="canary"):
            return replace(seen, canary=None)
        case Remove(role="companion", of=of):
            left = (replace(p, new=None) if p.of.id == of else p for p in seen.pairs)
            return replace(seen, pairs=tuple(left))
        case Remove() | MakeAnew():
            return replace(seen, successor=None)
        case Start(id=id_) | Restart(id=id_):
            verdicts = {**seen.verdicts, id_: PROVEN}
            return replace(
                _changed(seen, id_, state="running", started_at=_JUST_NOW),
                verdicts=verdicts,
                interrupted=seen.interrupted - {id_},
            )
        case Stop(id=id_):
            return _changed(seen, id_, state="exited")
        case Pause(id=id_):
            return _changed(seen, id_, state="paused")
        case Rename(id=id_, name=name):
            return _changed(seen, id_, name=name)
        case SetPolicy(id=id_, policy=policy, retries=retries):
            return _changed(seen, id_, restart_policy=policy, restart_retries=retries)
        case Connect(id=id_, network=network):
            return _networks(seen, id_, network, goal.late[network])
        case Disconnect(id=id_, network=network):
            return _networks(seen, id_, network, None)
        case Tag(image_id=image_id):
            return replace(seen, tag_image=image_id)
        case Drain() | Wait() | NoteCanaryProven() | TurnBack():
            return seen


def _made(role: str, goal: Goal, old: Container | None) -> Container:
    networks: dict[str, tuple[str, ...]] = dict.fromkeys(networks_due(goal, old), ())
    return Container(
        id=role,
        name=f"{goal.name}-{role}-{goal.deployment}",
        image_id=goal.image_id,
        state="created",
        restart_policy="no",
        networks=networks,
    )


def _with_likeness(pair: Pair, of: str) -> Pair:
    if pair.of.id != of or pair.old is None:
        return pair
    name = f"{pair.of.name}-successor"
    new = replace(pair.old, id=f"new {of}", name=name, state="created", restart_policy="no")
    return replace(pair, new=new)


def _changed(seen: Seen, id_: str, **values: object) -> Seen:
    def with_values(container: Container | None) -> Container | None:
        ours = container is not None and container.id == id_
        return replace(container, **values) if container and ours else container  # type: ignore[arg-type]

    return replace(
        seen,
        old=with_values(seen.old),
        successor=with_values(seen.successor),
        canary=with_values(seen.canary),
        pairs=tuple(
            replace(pair, old=with_values(pair.old), new=with_values(pair.new))
            for pair in seen.pairs
        ),
    )


def _networks(seen: Seen, id_: str, network: str, aliases: tuple[str, ...] | None) -> Seen:
    container = seen.successor
    if container is None or container.id != id_:
        return seen
    networks = {net: names for net, names in container.networks.items() if net != network}
    if aliases is not None:
        networks[network] = aliases
    return replace(seen, successor=replace(container, networks=networks))
