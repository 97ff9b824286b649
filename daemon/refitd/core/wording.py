"""Steps in words: their names in logs and rows, and the sentences of `refitd plan`."""

from __future__ import annotations

import re

from refitd.core.goal import (
    Connect,
    Create,
    Disconnect,
    Drain,
    Goal,
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
)


def step_name(step: Step) -> str:
    """`create_canary`, `stop_old`, …: what happens, and to whom where that matters."""
    verb = re.sub(r"(?<!^)(?=[A-Z])", "_", type(step).__name__).lower()
    role = getattr(step, "role", None)
    return f"{verb}_{role}" if role else verb


def sentence(step: Step, goal: Goal) -> str:  # noqa: C901, PLR0911, PLR0912 - one case a step
    match step:
        case Create(role="canary"):
            return "create a canary from the new image, without ports and names"
        case Create():
            late = ", its names to be bound later" if goal.late else ""
            return f"create the new container (not started), compare it with the old one{late}"
        case Start(role=role):
            return f"start the {_who(role)}"
        case Restart():
            return "restart the container, with its own stop timeout"
        case Stop(role=role):
            return f"stop the {_who(role)} by its own signal and timeout"
        case Pause():
            return "pause it, as the old one was"
        case Remove(role=role):
            return f"remove the {_who(role)}"
        case Rename(id=id_, name=name):
            who = "old container" if id_ == goal.old_id else "new container"
            return f"rename the {who} to {name}"
        case SetPolicy(policy=policy):
            return f"set the old container's restart policy to {policy}"
        case Connect(network=network):
            return f"connect the new container to {network} with its final names"
        case Disconnect(network=network):
            return f"take the new container off {network}, to be connected again with its names"
        case Tag(reference=reference):
            return f"move the tag {reference}"
        case Drain(seconds=seconds):
            return f"let the old container drain for {seconds:g} s"
        case Wait(reason=reason):
            return f"wait: {reason}"
        case NoteCanaryProven():
            return "the canary is proven: write it down"
        case TurnBack(cause=cause):
            return f"turn back: {cause}"


def _who(role: str) -> str:
    return {"old": "old container", "successor": "new container"}.get(role, role)
