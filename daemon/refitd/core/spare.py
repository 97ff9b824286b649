"""Which steps a pursuit can end without, where the engine refuses them again and again.

On the way back nothing may keep the old container from its start and its name: these two, and the
stop of who holds its ports, are tried until they go through. All else is done without after a few
times, and the row says so. Forward only the removal of what is left over is such a step.
"""

from __future__ import annotations

from refitd.core.goal import (
    Goal,
    Outcome,
    Pause,
    Remove,
    Rename,
    Restart,
    SetPolicy,
    Start,
    Step,
    Stop,
    Tag,
)
from refitd.core.seen import SERVES, Seen

#: A kind of step, and whom it is about.
Key = tuple[str, str]


def key_of(step: Step | Outcome) -> Key:
    return type(step).__name__, getattr(step, "id", "") or getattr(step, "reference", "")


def can_be_spared(goal: Goal, seen: Seen, step: Step) -> bool:
    """Whether the pursuit can go on, and end, without it."""
    if isinstance(step, Remove):
        return True
    if goal.turned is None:
        return False
    if isinstance(step, SetPolicy | Tag | Pause):
        return True
    if isinstance(step, Start | Stop | Restart | Rename) and step.of:
        return True
    about_it = isinstance(step, Stop | Rename) and seen.successor and step.id == seen.successor.id
    return bool(about_it) and seen.old is not None and seen.old.state in SERVES
