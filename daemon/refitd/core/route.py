"""From a decision to a goal: which way the container is to be replaced, settled once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from refitd.core import labels
from refitd.core.clone.config import REPLACING
from refitd.core.companions import Companion, condition, cut_off_by_restart
from refitd.core.container import Container, Json
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
    api_version: tuple[int, int],
    rebuild: bool,
    falls_over: bool = False,
    companions: Sequence[Companion] = (),
) -> Goal:
    """`tagged` is the image that the configured tag points to now."""
    endpoints = _endpoints(target, old, api_version) if way == "overlap" else {}
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
        late={network: _due_there(target, old, its) for network, its in endpoints.items()},
        endpoints=endpoints,
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


def _endpoints(target: Target, old: Container, api_version: tuple[int, int]) -> dict[str, Json]:
    """The networks that are bound late, each with what it is connected with then."""
    plan = Clone(
        name="",
        image="",
        final_name=target.container,
        kind="late",
        api_version=api_version,
        forebears=forebears(old),
    )
    networks = [name for name in old.networks if name not in ("none", "host")]
    if _has_traffic_network(target, old):
        networks = [str(target.traffic_network)]
    return {name: endpoint(old.inspect, name, plan) for name in networks}


def _due_there(target: Target, old: Container, its: Json) -> tuple[str, ...]:
    """The aliases to be waited for; on a network that it was not on before, to be on it is all."""
    return () if _has_traffic_network(target, old) else tuple(its["Aliases"])


def _has_traffic_network(target: Target, old: Container) -> bool:
    return bool(target.traffic_network) and len(old.networks.keys() - {"none", "host"}) > 1


def forebears(old: Container) -> tuple[str, ...]:
    """The short ids of the containers that stood here before this one."""
    return tuple(filter(None, old.labels.get(labels.FOREBEARS, "").split(",")))
