"""Restart policies on the move, of the target and of its companions alike: see `core.rollout`."""

from __future__ import annotations

from collections.abc import Iterator

from refitd.core.container import Container
from refitd.core.goal import Outcome, SetPolicy, Step


def give(container: Container, policy: str, retries: int, of: str = "") -> Iterator[Step | Outcome]:
    """Give it this restart policy, where it has another."""
    if (container.restart_policy, container.restart_retries) != (policy, retries):
        yield SetPolicy(container.id, policy, retries, of)


def survive_a_stop(container: Container, of: str = "") -> Iterator[Step | Outcome]:
    """After a reboot it is to come up, though it was stopped: see `core.rollout`."""
    policy, retries = while_stopped(container.restart_policy, container.restart_retries)
    yield from give(container, policy, retries, of)


def while_stopped(policy: str, retries: int) -> tuple[str, int]:
    """The policies that an engine does not honour for what was stopped become `always`."""
    return ("always", 0) if policy in ("unless-stopped", "on-failure") else (policy, retries)


def let_go(container: Container | None, of: str = "") -> Iterator[Step | Outcome]:
    """The engine is not to start it any more."""
    if container is not None and container.restart_policy != "no":
        yield SetPolicy(container.id, "no", 0, of)
