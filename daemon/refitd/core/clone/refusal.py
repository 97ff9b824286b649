"""What stands against replacing a container, in plain sentences, before anything is touched.

A refusal is something that would be lost or broken, with the way out of it. None holds a value
of the container's environment. What is merely to be known stands in `clone/warning.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from refitd.core import labels
from refitd.core.clone.mounts import volume_name
from refitd.core.clone.network import BUILT_IN, has_own_network
from refitd.core.clone.residence import (
    Server,
    borrowings,
    homes_of,
    is_called,
    residents,
)
from refitd.core.container import Json, Network

FLOOR = (1, 41)

#: Label prefixes of those who re-create their containers by themselves, and who they are.
_KEEPERS = {
    "com.docker.swarm.task": "a Swarm task: Swarm would put another in its place",
    "io.kubernetes.": "managed by Kubernetes, which would put another in its place",
    "io.podman.": "managed by Podman",
    "PODMAN_SYSTEMD_UNIT": "managed by Podman through systemd",
}


def refusals(
    old: Json,
    everyone: Sequence[Json],
    own_id: str | None,
    api_version: tuple[int, int],
    networks: Sequence[Network] | None = None,
    *,
    server: Server | None = None,
    product: str = "",
) -> tuple[str, ...]:
    """Why `old` is not replaced. `everyone` is every container of the engine, `own_id` the
    container refitd itself runs in, `networks` the engine's, `server` where Postgres is, `product`
    what the engine calls itself, where known.
    """
    others = [other for other in everyone if not _is_probe(other)]
    return (
        *_engine(api_version, product),
        *_itself(old, own_id),
        *_passing(old),
        *_keepers(old),
        *_owners_gone(old, others),
        *_lives_with_us(old, others, own_id),
        *_lives_with_postgres(old, others, server),
        *_networks_gone(old, networks),
        *_nameless_volumes(old),
    )


def _is_probe(inspect: Json) -> bool:
    """One of ours, made for a look and gone in a moment: it never runs, and depends on nobody."""
    its: Json = (inspect.get("Config") or {}).get("Labels") or {}
    return its.get(labels.ROLE) == labels.PROBE


def _engine(api_version: tuple[int, int], product: str) -> Iterator[str]:
    if api_version < FLOOR:
        have, need = (".".join(map(str, version)) for version in (api_version, FLOOR))
        yield f"the engine's API version {have} is below {need}: upgrade the engine"
    if "podman" in product.lower():
        yield (
            "the engine is Podman, which shows and takes some fields otherwise than Docker does:"
            " set `docker_host` to a Docker engine"
        )


def _itself(old: Json, own_id: str | None) -> Iterator[str]:
    if own_id and old["Id"].startswith(own_id):
        yield (
            "it is the container that refitd itself runs in: set `container` to the name of the"
            " backend's"
        )


def _passing(old: Json) -> Iterator[str]:
    """What the engine takes away by itself could not be put back."""
    if (old["HostConfig"] or {}).get("AutoRemove"):
        yield (
            "it was started with --rm: the engine removes it, with its anonymous volumes, as "
            "soon as it stops, and nothing could be put back; start it without --rm"
        )
    state = old["State"]["Status"]
    if state in ("dead", "removing"):
        yield f"it is {state}: the engine is about to remove it; start the backend anew"


def keeper_of(inspect: Json) -> str | None:
    """What it is where somebody else makes it anew by himself."""
    names = (inspect.get("Config") or {}).get("Labels") or {}
    kept = (
        who for prefix, who in _KEEPERS.items() if any(name.startswith(prefix) for name in names)
    )
    return next(kept, None)


def _keepers(old: Json) -> Iterator[str]:
    if who := keeper_of(old):
        yield f"it is {who}; start the backend by `docker run` or compose"


def _owners_gone(old: Json, everyone: Sequence[Json]) -> Iterator[str]:
    """Those whose namespaces or volumes it uses must still be there."""
    for field, owner in borrowings(old):
        if not any(is_called(other, owner) for other in everyone):
            yield (
                f"its {field} is that of container {owner}, which does not exist any more:"
                " start the backend anew with one that does"
            )


def _lives_with_us(old: Json, everyone: Sequence[Json], own_id: str | None) -> Iterator[str]:
    """Nobody can bring along the container that he himself runs in; nor can he put anything back
    into a namespace that ends with him."""
    own = next((each for each in everyone if own_id and each["Id"].startswith(own_id)), None)
    if own is None or own["Id"] == old["Id"]:
        return
    for other, what in residents(old, everyone):
        if other["Id"] == own["Id"]:
            yield (
                f"refitd's own container lives in its {what} namespace, and would be cut off:"
                " start refitd in one of its own"
            )
    for other, what in residents(own, everyone):
        if other["Id"] == old["Id"]:
            yield (
                f"it lives in the {what} namespace of refitd's own container, and no new one could"
                " start there while refitd is down: give one of them a namespace of its own"
            )
    if any(field == "VolumesFrom" and is_called(old, whose) for field, whose in borrowings(own)):
        yield (
            "refitd's own container has its volumes by --volumes-from: mount them into refitd by"
            " name"
        )


def _lives_with_postgres(
    old: Json, everyone: Sequence[Json], server: Server | None
) -> Iterator[str]:
    """Without Postgres there is no lease, and nobody may go on."""
    homes = homes_of(server, everyone)
    if not homes:
        return
    if homes[0]["Id"] == old["Id"]:
        yield (
            "Postgres is in it, or in its network namespace, and would be cut off: refitd reaches"
            " its database by this container's address; give Postgres a container with a network"
            " of its own"
        )
        return
    at_home = {home["Id"] for home in homes}
    for other, what in residents(old, everyone):
        if other["Id"] in at_home:
            yield (
                f"Postgres (container {_name(other)}) lives in its {what} namespace, and would be"
                " cut off: give Postgres one of its own"
            )


def _networks_gone(old: Json, networks: Sequence[Network] | None) -> Iterator[str]:
    if networks is None or not has_own_network(old):
        return
    names = [network.name for network in networks]
    for name in (old.get("NetworkSettings") or {}).get("Networks") or {}:
        if name not in names:
            yield (
                f"its network {name} does not exist any more: `docker network create {name}`, or"
                f" `docker network disconnect -f {name} {_name(old)}`"
            )
        elif names.count(name) > 1 and name not in BUILT_IN:
            yield (
                f"there are {names.count(name)} networks called {name}, and the engine takes a"
                " network by its name: remove all but one"
            )


def _nameless_volumes(old: Json) -> Iterator[str]:
    for mount in old.get("Mounts") or ():
        if mount.get("Type") == "volume" and volume_name(mount) is None:
            yield (
                f"the engine does not say which volume is mounted at {mount['Destination']}: start"
                " the backend anew with a volume that has a name"
            )


def _name(inspect: Json) -> str:
    return str(inspect["Name"].lstrip("/"))
