"""Companions: containers that live in the target's namespaces, or use its volumes.

A network, IPC or PID namespace goes with the container it belongs to: whoever shares it is *cut
off* when that one stops, and stays so, running and healthy to look at, until it is started anew.
Who uses the target's volumes goes on with them, but would not see those of a new image. So they
are found before anything stops, replaced by their likeness after the target, each after those it
depends on, and put back like the target where it goes wrong.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from refitd.core import labels
from refitd.core.clone.refusal import keeper_of
from refitd.core.clone.residence import SHARED, borrowed_from, borrowings, is_called, is_id_of
from refitd.core.container import Container, Json

State = Literal["running", "paused", "stopped"]


@dataclass(frozen=True, slots=True)
class Companion:
    """One of them, as it was found."""

    id: str
    name: str
    state: State
    policy: str
    retries: int
    started_at: str
    #: The ids of those whose namespaces it lives in: the target's or other companions'.
    lives_with: tuple[str, ...]

    @property
    def is_cut_off(self) -> bool:
        """Whether it must be started anew when one of those is."""
        return bool(self.lives_with)

    @classmethod
    def of(cls, container: Container, lives_with: Iterable[str]) -> Self:
        return cls(
            id=container.id,
            name=container.name,
            state=condition(container),
            policy=container.restart_policy,
            retries=container.restart_retries,
            started_at=container.started_at,
            lives_with=tuple(lives_with),
        )

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        return cls(**{**raw, "lives_with": tuple(raw["lives_with"])})


def condition(container: Container) -> State:
    """The state in which it is to be when all is over."""
    if container.state == "paused":
        return "paused"
    return "running" if container.state in ("running", "restarting") else "stopped"


def companions_of(
    old: Container, everyone: Sequence[Container], leave: Collection[str] = ()
) -> tuple[Companion, ...]:
    """All who depend on `old`, and who depend on these, each after those it depends on.

    `leave` are ids of containers that do not count: those that were replaced before and are kept
    as the way back may still name the target.
    """
    family = [old]
    candidates = [each for each in everyone if each.id not in leave and each.id != old.id]
    while more := [each for each in candidates if each not in family and _owners(each, family)]:
        family += more
    found: list[Companion] = []
    left = sorted(family[1:], key=lambda each: each.name)
    while left:
        # Whoever depends on another that is still to come waits for that one.
        each = next((each for each in left if not _owners(each, left)), left[0])
        left.remove(each)
        found.append(Companion.of(each, _owners(each, family, SHARED)))
    return tuple(found)


def objections(
    those: Iterable[Companion], everyone: Iterable[Container], target: str
) -> Iterator[str]:
    """Why one of them cannot be brought along, so that the container it depends on stays, too."""
    names = {each.id: each.name for each in those}
    for each in everyone:
        if each.id in names:
            who = f"container {each.name} depends on it, and cannot be brought along:"
            if (each.inspect.get("HostConfig") or {}).get("AutoRemove"):
                yield f"{who} it was started with --rm, and is gone once it stops; start it without"
            if keeper := keeper_of(each.inspect):
                yield f"{who} it is {keeper}"
            if each.labels.get(labels.TARGET, target) != target:
                other = each.labels[labels.TARGET]
                yield f"{who} it is of another target, {other}; give it its own"


def cut_off_by_restart(old_id: str, all_of_them: Iterable[Companion]) -> tuple[Companion, ...]:
    """Those who must be started anew when `old_id` was: others go on with the same volumes."""
    anew = {old_id}
    found = []
    for each in all_of_them:
        if not anew.isdisjoint(each.lives_with):
            anew.add(each.id)
            found.append(each)
    return tuple(found)


def with_new_owners(inspect: Json, moved: Sequence[tuple[Json, str]]) -> dict[str, Any]:
    """The same container, pointing to those who took the places of the ones it pointed to.

    `moved` are those replaced, each with its successor's id. A namespace named by name is left so:
    it is looked up at the start, when the successor bears the name. Volumes are looked up at
    the creation, before that.
    """
    host = dict(inspect["HostConfig"])
    for field in SHARED:
        owner = borrowed_from(inspect, field) or ""
        new = next((id_ for old, id_ in moved if is_id_of(old, owner)), None)
        if new:
            host[field] = f"container:{new}"
    if host.get("VolumesFrom"):
        host["VolumesFrom"] = [_moved_source(source, moved) for source in host["VolumesFrom"]]
    return {**inspect, "HostConfig": host}


def started_before(one: str, other: str) -> bool:
    """Of two times as the engine writes them, which leaves trailing zeros out.

    >>> started_before("2026-01-01T00:00:00.5Z", "2026-01-01T00:00:00.51Z")
    True
    """
    return _padded(one) < _padded(other)


def _moved_source(source: str, moved: Sequence[tuple[Json, str]]) -> str:
    owner, colon, mode = source.partition(":")
    new = next((id_ for old, id_ in moved if is_called(old, owner)), owner)
    return f"{new}{colon}{mode}"


def _owners(
    container: Container,
    among: Sequence[Container],
    fields: Collection[str] = (*SHARED, "VolumesFrom"),
) -> tuple[str, ...]:
    refers_to = [owner for field, owner in borrowings(container.inspect) if field in fields]
    return tuple(
        each.id
        for each in among
        if each.id != container.id and any(is_called(each.inspect, owner) for owner in refers_to)
    )


def _padded(time: str) -> str:
    seconds, _, fraction = time.rstrip("Z").partition(".")
    return f"{seconds}.{fraction:0<9}"
