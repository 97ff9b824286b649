"""Containers that refitd made and nobody needs: what a daemon that died or was deposed left.

A call that was on its way when its daemon was frozen is carried out all the same, after whoever
took over has finished. What it makes has never run, or is a canary.
"""

from __future__ import annotations

from collections.abc import Iterable

from refitd.core import labels
from refitd.core.container import Container
from refitd.core.deployment import Snapshot


def probe_name(name: str) -> str:
    """What the baseline probe of the container `name` is called."""
    return f"{name}-refitd-probe"


def strays(found: Iterable[Container], name: str, snapshot: Snapshot) -> tuple[Container, ...]:
    """Of what was found for the target whose container is `name`: what no row speaks of.

    A successor that has run is never one: it may have been the backend once, renamed by hand.
    """
    known = {retiree.container_id for retiree in snapshot.retirees}
    if snapshot.record is not None:
        known.add(snapshot.record.container_id)
    return tuple(each for each in found if each.id not in known and _is_stray(each, name, snapshot))


def _is_stray(container: Container, name: str, snapshot: Snapshot) -> bool:
    its = container.labels
    role = its.get(labels.ROLE)
    if container.name == probe_name(name):
        return role == labels.PROBE
    if its.get(labels.FINAL_NAME) != name or container.name == name:
        return False
    under_way = snapshot.unfinished is not None and its.get(labels.DEPLOYMENT) == str(
        snapshot.unfinished.id
    )
    made_and_left = role == labels.CANARY or (
        role == labels.SUCCESSOR and container.state == "created"
    )
    return made_and_left and not under_way
