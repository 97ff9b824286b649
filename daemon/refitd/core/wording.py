"""Steps in words: their names in logs and rows, the sentences of `refitd plan`; and troubles."""

from __future__ import annotations

import re

from refitd.core.goal import (
    Connect,
    Create,
    Disconnect,
    Drain,
    Goal,
    MakeAnew,
    NoteCanaryProven,
    Pause,
    Remove,
    Rename,
    Restart,
    SetPolicy,
    Start,
    Step,
    Stop,
    Tag,
    TurnBack,
    Wait,
    other_name,
)


def step_name(step: Step) -> str:
    """`create_canary`, `stop_old`, …: what happens, and to whom where that matters."""
    verb = re.sub(r"(?<!^)(?=[A-Z])", "_", type(step).__name__).lower()
    role = getattr(step, "role", "")
    return f"{verb}_{role}" if role else verb


def sentence(step: Step, goal: Goal) -> str:  # noqa: C901, PLR0911, PLR0912 - one case a step
    match step:
        case Create(role="canary"):
            image = "the new image" if goal.configured_tag else "the same image"
            return f"create a canary from {image}, without ports and names"
        case Create(role="companion", of=of):
            return f"create the new {_name(goal, of)} (not started), compare it with the old one"
        case Create():
            late = ", its names to be bound later" if goal.late else ""
            return f"create the new container (not started), compare it with the old one{late}"
        case MakeAnew(role=role):
            return f"remove the {_who(role, goal, '')}, which was created in part only"
        case Start(role=role, of=of):
            return f"start the {_who(role, goal, of)}"
        case Restart(of=of):
            who = f"the {_name(goal, of)}" if of else "the container"
            return f"restart {who}, with its own stop timeout"
        case Stop(role=role, of=of):
            return f"stop the {_who(role, goal, of)} by its own signal and timeout"
        case Pause():
            return "pause it, as the old one was"
        case Remove(role=role, of=of):
            return f"remove the {_who(role, goal, of)}"
        case Rename(id=id_, name=name) if name == other_name(goal.name, id_):
            return f"rename somebody else's container to {name}"
        case Rename(id=id_, name=name, of=of):
            return f"rename the {_which(goal, id_, of)} to {name}"
        case SetPolicy(id=id_, policy=policy, of=of):
            return f"set the {_which(goal, id_, of)}'s restart policy to {policy}"
        case Connect(network=network):
            return f"connect the new container to {network} with its final names"
        case Disconnect(network=network):
            return f"take the new container off {network}, to be connected again with its names"
        case Tag(reference=reference):
            return f"move the tag {reference}"
        case Drain(seconds=seconds, command=command):
            told = f"run {' '.join(command)!r} in the old container" if command else ""
            drains = f"let the old container drain for {seconds:g} s" if seconds else ""
            return ", and ".join(filter(None, (told, drains)))
        case Wait(reason=reason):
            return f"wait: {reason}"
        case NoteCanaryProven():
            return "the canary is proven: write it down"
        case TurnBack(cause=cause):
            return f"turn back: {cause}"


def _who(role: str, goal: Goal, of: str) -> str:
    if of:
        return f"{'old' if role == 'old_companion' else 'new'} {_name(goal, of)}"
    return {"old": "old container", "successor": "new container"}.get(role, role)


def _which(goal: Goal, id_: str, of: str) -> str:
    if of:
        return f"{'old' if id_ == of else 'new'} {_name(goal, of)}"
    return "old container" if id_ == goal.old_id else "new container"


def _name(goal: Goal, companion_id: str) -> str:
    return _companions(goal)[companion_id]


def _companions(goal: Goal) -> dict[str, str]:
    return {each.id: each.name for each in goal.companions}


def gist(trouble: str) -> str:
    """What two tellings of one trouble have in common: the engine names the endpoint that it failed
    to make, another at each try."""
    return re.sub(r"\b[0-9a-f]{64}\b", "…", trouble)
