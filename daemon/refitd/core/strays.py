"""Containers that refitd made and no row speaks of.

Most are left by a daemon that died or was deposed, and nobody needs them.

A call that was on its way when its daemon was frozen is carried out all the same, after whoever
took over has finished. What it makes has never run, or is a canary.
"""

from __future__ import annotations

from collections.abc import Iterable

from refitd.core import labels
from refitd.core.container import Container
from refitd.core.deployment import Snapshot
from refitd.core.seen import SERVES
from refitd.core.target import Target


def probe_name(name: str) -> str:
    """What the baseline probe of the container `name` is called."""
    return f"{name}-refitd-probe"


def strays(found: Iterable[Container], name: str, snapshot: Snapshot) -> tuple[Container, ...]:
    """Of what was found for the target whose container is `name`: what no row speaks of.

    A successor that has run is never one: it may have been the backend once, renamed by hand.
    """
    known = _spoken_of(snapshot)
    return tuple(each for each in found if each.id not in known and _is_stray(each, name, snapshot))


def doubles(
    found: Iterable[Container], container: Container, target: Target, snapshot: Snapshot
) -> tuple[str, ...]:
    """Why it is not clear that `container` is the backend: what refitd once made to stand in its
    place runs, too, and no row speaks of it.

    Those that are under way, stand for the target, or wait to be retired have their rows. What
    has none was left behind when its forerunner was removed under us, or renamed by hand.
    """
    known = {container.id, *_spoken_of(snapshot)}
    return tuple(
        f"container {each.name} runs, too, which refitd once made to stand in its place: remove the"
        " one that is not the backend"
        for each in found
        if each.id not in known
        and _stands_for(each, target)
        # Numbers of deployments repeat where a database was set up anew; ids do not.
        and not (_is_under_way(each, snapshot) and each.labels.get(labels.REPLACES) == container.id)
    )


def _stands_for(container: Container, target: Target) -> bool:
    its = container.labels
    of_the_target = (its.get(labels.TARGET), its.get(labels.FINAL_NAME)) == (
        target.name,
        target.container,
    )
    successor = of_the_target and its.get(labels.ROLE) == labels.SUCCESSOR
    return successor and container.state in SERVES


def _spoken_of(snapshot: Snapshot) -> set[str]:
    known = {retiree.container_id for retiree in snapshot.retirees}
    return known | ({snapshot.record.container_id} if snapshot.record else set())


def _is_under_way(container: Container, snapshot: Snapshot) -> bool:
    its = container.labels.get(labels.DEPLOYMENT)
    return snapshot.unfinished is not None and its == str(snapshot.unfinished.id)


def _is_stray(container: Container, name: str, snapshot: Snapshot) -> bool:
    its = container.labels
    role = its.get(labels.ROLE)
    if container.name == probe_name(name):
        return role == labels.PROBE
    named = its.get(labels.FINAL_NAME)
    if name not in (named, its.get(labels.FOLLOWS)) or container.name == named:
        return False
    if role == labels.PROBE:
        return True  # of a `refitd plan` that was killed
    made_and_left = role == labels.CANARY or (
        role in (labels.SUCCESSOR, labels.COMPANION) and container.state == "created"
    )
    return made_and_left and not _is_under_way(container, snapshot)
