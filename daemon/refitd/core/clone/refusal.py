"""What stands against replacing a container, in plain sentences, before anything is touched.

A refusal is something that would be lost or broken; a warning, something its owner should
know. Neither holds a value of the container's environment.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import PurePosixPath

from refitd.core.clone.mounts import volume_name
from refitd.core.clone.network import has_own_network, network_mode
from refitd.core.container import Json

FLOOR = (1, 41)

#: Label prefixes of those who re-create their containers by themselves, and who they are.
_KEEPERS = {
    "com.docker.swarm.task": "a Swarm task: Swarm would put another in its place",
    "io.kubernetes.": "managed by Kubernetes, which would put another in its place",
    "io.podman.": "managed by Podman",
    "PODMAN_SYSTEMD_UNIT": "managed by Podman through systemd",
}
_SHARED = ("NetworkMode", "IpcMode", "PidMode")
_SHORT_ID = 12
#: As many file names as a warning has room for.
_SHOWN = 5
#: Written by about everything that runs; nobody misses it.
_TRIVIAL = ("/tmp", "/var/tmp", "/run", "/var/run", "/var/cache", "/root/.cache", "/dev", "/proc")  # noqa: S108 - paths inside a container, none is opened


def refusals(
    old: Json,
    everyone: Sequence[Json],
    own_id: str | None,
    api_version: tuple[int, int],
    networks: Collection[str] | None = None,
) -> tuple[str, ...]:
    """Why `old` is not replaced. `everyone` is every container of the engine, `own_id` the
    container refitd itself runs in, `networks` the engine's networks by name, where known.
    """
    return (
        *_engine(api_version),
        *_itself(old, own_id),
        *_keepers(old),
        *_owners_gone(old, everyone),
        *_dependants(old, everyone, own_id),
        *_networks_gone(old, networks),
        *_nameless_volumes(old),
    )


def warnings(old: Json, changed_files: Iterable[str] = ()) -> tuple[str, ...]:
    """What changes with a replacement, or cannot be carried. `changed_files`: `docker diff`."""
    return (*_port_warnings(old), *_mac_warnings(old), *_file_warnings(old, changed_files))


def _engine(api_version: tuple[int, int]) -> Iterator[str]:
    if api_version < FLOOR:
        have, need = (".".join(map(str, version)) for version in (api_version, FLOOR))
        yield f"the engine's API version {have} is below {need}: upgrade the engine"


def _itself(old: Json, own_id: str | None) -> Iterator[str]:
    if own_id and old["Id"].startswith(own_id):
        yield "it is the container that refitd itself runs in"
    if (old["HostConfig"] or {}).get("AutoRemove"):
        yield (
            "it was started with --rm: the engine removes it, with its anonymous volumes, as "
            "soon as it stops, and nothing could be put back; start it without --rm"
        )
    state = old["State"]["Status"]
    if state in ("dead", "removing"):
        yield f"it is {state}: the engine is about to remove it"


def _keepers(old: Json) -> Iterator[str]:
    names = old["Config"].get("Labels") or {}
    for prefix, who in _KEEPERS.items():
        if any(name.startswith(prefix) for name in names):
            yield f"it is {who}"


def _owners_gone(old: Json, everyone: Sequence[Json]) -> Iterator[str]:
    """Those whose namespaces or volumes it uses must still be there."""
    for field, owner in _borrowings(old):
        if not any(_is(other, owner) for other in everyone):
            yield f"its {field} is that of container {owner}, which does not exist any more"


def _dependants(old: Json, everyone: Sequence[Json], own_id: str | None) -> Iterator[str]:
    """A namespace dies with its owner; `volumes-from` would go on with the old volumes."""
    for other in everyone:
        if other["Id"] == old["Id"]:
            continue
        for field, owner in _borrowings(other):
            if _is(old, owner):
                name = other["Name"].lstrip("/")
                who = (
                    "refitd's own container"
                    if own_id and other["Id"].startswith(own_id)
                    else (f"container {name}")
                )
                yield f"{who} uses its {field}, and would be cut off"


def _networks_gone(old: Json, networks: Collection[str] | None) -> Iterator[str]:
    if networks is None or not has_own_network(old):
        return
    for name in (old.get("NetworkSettings") or {}).get("Networks") or {}:
        if name not in networks:
            yield f"its network {name} does not exist any more"


def _nameless_volumes(old: Json) -> Iterator[str]:
    for mount in old.get("Mounts") or ():
        if mount.get("Type") == "volume" and volume_name(mount) is None:
            yield f"the engine does not say which volume is mounted at {mount['Destination']}"


def _borrowings(inspect: Json) -> Iterator[tuple[str, str]]:
    host = inspect.get("HostConfig") or {}
    for field in _SHARED:
        kind, _, owner = str(host.get(field) or "").partition(":")
        if kind == "container" and owner:
            yield field, owner
    for source in host.get("VolumesFrom") or ():
        yield "VolumesFrom", source.partition(":")[0]


def _is(inspect: Json, id_or_name: str) -> bool:
    by_id = len(id_or_name) >= _SHORT_ID and str(inspect["Id"]).startswith(id_or_name)
    return by_id or bool(inspect["Name"].lstrip("/") == id_or_name.lstrip("/"))


def _port_warnings(old: Json) -> Iterator[str]:
    host = old["HostConfig"]
    if host.get("PublishAllPorts"):
        yield "it publishes all its ports: the engine will pick other host ports"
    for port, bindings in (host.get("PortBindings") or {}).items():
        if any((binding or {}).get("HostPort") in ("", "0", None) for binding in bindings or ()):
            yield f"port {port} is published on a host port of the engine's choice: it changes"


def _mac_warnings(old: Json) -> Iterator[str]:
    """Only the primary network's wish is told apart from what the engine made up."""
    if not has_own_network(old):
        return
    for name, endpoint in (old["NetworkSettings"].get("Networks") or {}).items():
        mac, address = (endpoint or {}).get("MacAddress"), (endpoint or {}).get("IPAddress")
        if name == network_mode(old) or not mac or not address or mac == generated_mac(address):
            continue
        if mac != old["Config"].get("MacAddress"):
            yield f"whether its MAC address on network {name} was asked for cannot be told; it changes"


def generated_mac(address: str) -> str:
    """What the engine derives from an IPv4 address.

    >>> generated_mac("172.17.0.2")
    '02:42:ac:11:00:02'
    """
    return "02:42:" + ":".join(f"{int(part):02x}" for part in address.split("."))


def _file_warnings(old: Json, changed_files: Iterable[str]) -> Iterator[str]:
    """Only the deepest paths: a folder counts as changed with each file written into it, and
    with each mount whose mount point had to be made.
    """
    mounts = {mount["Destination"] for mount in old.get("Mounts") or ()}
    paths = [path for path in changed_files if not _trivial(path) and path not in mounts]
    folders = {str(parent) for path in (*paths, *mounts) for parent in PurePosixPath(path).parents}
    files = sorted(path for path in paths if path not in folders)
    if files:
        more = len(files) - _SHOWN
        shown = ", ".join(files[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
        yield f"files in the container's own layer are not carried over: {shown}"


def _trivial(path: str) -> bool:
    inside = any(path == folder or path.startswith(folder + "/") for folder in _TRIVIAL)
    return inside or "__pycache__" in path
