"""What a starting daemon does where Postgres cannot be reached: one thing only.

If this very instance was replacing a target when it died, and nothing serves now, the old
container is started; a successor that falls over again and again does not serve, and is stopped
first, since it holds the ports. One born of the old hand-over stops, as it starts, whoever bears
the target's name: whoever does so then is called otherwise first. Whose work it was, and which is the old one, stands in the labels
of what was created for the replacement. Everything else waits for the database, but that what
seems to serve is looked at again and again until then: it may yet fall over.
"""

from __future__ import annotations

from refitd.core import labels
from refitd.core.container import Container
from refitd.core.goal import other_name, previous_name, transitional_name
from refitd.core.route import born_of_hand_over
from refitd.core.seen import SERVES
from refitd.core.target import Target
from refitd.ports import Engine, Log


def old_one_to_start(found: tuple[Container, ...], instance: str) -> str | None:
    """The id of the container to start, where this instance left nothing serving. Pure."""
    if any(_may_serve(each, instance) for each in found):
        return None
    present = {container.id: container for container in found}
    for each in found:
        old = present.get(each.labels.get(labels.REPLACES, ""))
        if old is not None and _is_unfinished(each, old, instance):
            return old.id
    return None


def falling_over(found: tuple[Container, ...], instance: str) -> tuple[str, ...]:
    """The ids of our unproven successors that the engine starts again and again. Pure."""
    return tuple(each.id for each in found if each.state in SERVES and _falls_over(each, instance))


def _may_serve(container: Container, instance: str) -> bool:
    canary = container.labels.get(labels.ROLE) == labels.CANARY
    return container.state in SERVES and not canary and not _falls_over(container, instance)


def _falls_over(container: Container, instance: str) -> bool:
    if not _is_our_successor(container, instance):
        return False
    again = container.state == "restarting" or container.restart_count > 0
    return container.health == "unhealthy" or (again and container.health != "healthy")


def _is_our_successor(container: Container, instance: str) -> bool:
    its = container.labels
    return its.get(labels.INSTANCE) == instance and its.get(labels.ROLE) == labels.SUCCESSOR


def _is_unfinished(successor: Container, old: Container, instance: str) -> bool:
    """Whether we were replacing the one by the other, or were on the way back.

    Names move last, so a successor that bears the final one was proven. If the old one has a
    restart policy all the same, it was being put back: a success leaves it `no`.
    """
    its = successor.labels
    ours = _is_our_successor(successor, instance)
    done = successor.name == its.get(labels.FINAL_NAME) and old.restart_policy == "no"
    return ours and not done and its.get(labels.OLD_STATE) != "stopped"


def put_aside(found: tuple[Container, ...], old_id: str) -> tuple[tuple[str, str], ...]:
    """Who is to be called what, so that the old one finds nobody to stop. Pure."""
    old = next(each for each in found if each.id == old_id)
    successor = next(each for each in found if each.labels.get(labels.REPLACES) == old_id)
    name = successor.labels.get(labels.FINAL_NAME, "")
    deployment = successor.labels.get(labels.DEPLOYMENT, "")
    bears = next((each for each in found if each.name == name), None)
    if bears is None or not born_of_hand_over(old):
        return ()
    called = {
        successor.id: transitional_name(name, "successor", deployment),
        old.id: previous_name(name, deployment),
    }
    return ((bears.id, called.get(bears.id, other_name(name, bears.id))),)


def rescue(engine: Engine, target: Target, instance: str, log: Log) -> None:
    """Start the old one of a replacement that this instance left without anything serving.

    Raises `EngineError`.
    """
    found = tuple(
        container
        for container in engine.containers(target.name, [target.container])
        if labels.stands_for(container.labels, target.container)
    )
    present = {container.id for container in found}
    replaced = {c.labels.get(labels.REPLACES, "") for c in found} - present
    found += tuple(filter(None, (engine.container(id_) for id_ in replaced if id_)))
    old_id = old_one_to_start(found, instance)
    if old_id is not None:
        log.warning("target.rescued", target=target.name, container=old_id)
        for id_ in falling_over(found, instance):
            engine.stop(id_)
        for id_, name in put_aside(found, old_id):
            engine.rename(id_, name)
        engine.start(old_id)
