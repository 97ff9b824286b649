"""From a decision to a goal: which way the container is to be replaced, settled once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from refitd.core import labels
from refitd.core.clone.config import REPLACING
from refitd.core.companions import Companion, condition, cut_off_by_restart
from refitd.core.container import Container
from refitd.core.deployment import Record
from refitd.core.goal import Goal, Way
from refitd.core.recreate import Clone, endpoint
from refitd.core.strategy import canary_objection, choose
from refitd.core.target import Target


def way_of(
    target: Target, old: Container, *, rebuild: bool, companions: Sequence[Companion] = ()
) -> tuple[Way, str]:
    """The way and its reason.

    A toggle restarts in place, except where two may run side by side (then the same image is
    rolled out without an outage) and where the container was born of the old hand-over: it
    would find `REPLACING_CONTAINER` in its environment again, and stop whom that names.
    """
    strategy, why = choose(target, old.inspect, companions)
    if strategy == "overlap" and condition(old) != "running":
        strategy, why = "swap", f"it is {old.state}, and its successor is to be so, too"
    if rebuild or strategy == "overlap":
        return strategy, why
    if born_of_hand_over(old):
        return "swap", f"a restart would find {REPLACING} in its environment again"
    if not old.runs:
        return "swap", f"it is {old.state}, and a restart would set it running"
    return "restart", "the image stays the same"


def born_of_hand_over(container: Container) -> bool:
    env = (container.inspect.get("Config") or {}).get("Env") or ()
    return any(line.startswith(REPLACING + "=") for line in env)


def make_goal(  # noqa: PLR0913 - what a goal is made of
    target: Target,
    old: Container,
    *,
    deployment: int,
    epoch: int,
    way: Way,
    image_id: str,
    tag: str,
    tagged: str | None,
    before: Record | None,
    rebuild: bool,
    falls_over: bool = False,
    companions: Sequence[Companion] = (),
) -> Goal:
    """`tagged` is the image that the configured tag points to now."""
    return Goal(
        deployment=deployment,
        target=target.name,
        epoch=epoch,
        way=way,
        name=target.container,
        old_id=old.id,
        old_state=condition(old),
        old_policy=old.restart_policy,
        old_retries=old.restart_retries,
        old_started_at=old.started_at,
        old_falls_over=falls_over,
        old_hands_over=born_of_hand_over(old),
        image_id=image_id,
        tag=tag,
        configured_tag=target.image if rebuild else None,
        configured_before=tagged,
        canary=way != "overlap" and canary_objection(target, old.inspect) is None,
        late=_late(target, old) if way == "overlap" else {},
        drain_s=target.drain_s if way == "overlap" else 0.0,
        drain_command=target.drain_command if way != "restart" else (),
        companions=_concerned(old, way, companions),
        before=asdict(before) if before else None,
    )


def own_tag(target: Target, deployment: int) -> str:
    """The tag that a deployment's containers are created by.

    >>> from refitd.core.target import Source, Target
    >>> own_tag(Target("backend", "api", "registry:5000/panel:latest", Source()), 41)
    'registry:5000/panel:refitd-41'
    """
    return f"{repository(target.image)}:refitd-{deployment}"


def repository(reference: str) -> str:
    """An image reference without its tag; a registry's port is no tag."""
    name, _, tag = reference.rpartition(":")
    return reference if not name or "/" in tag else name


def _concerned(old: Container, way: Way, companions: Sequence[Companion]) -> tuple[Companion, ...]:
    return cut_off_by_restart(old.id, companions) if way == "restart" else tuple(companions)


def _late(target: Target, old: Container) -> dict[str, tuple[str, ...]]:
    """Which networks are bound late, with the aliases that are due there."""
    networks = [name for name in old.networks if name not in ("none", "host")]
    if target.traffic_network and len(networks) > 1:
        return {target.traffic_network: ()}
    plan = Clone(
        name="", image="", final_name=target.container, kind="late", forebears=forebears(old)
    )
    return {name: tuple(endpoint(old.inspect, name, plan)["Aliases"]) for name in networks}


def forebears(old: Container) -> tuple[str, ...]:
    """The short ids of the containers that stood here before this one."""
    return tuple(filter(None, old.labels.get(labels.FOREBEARS, "").split(",")))
