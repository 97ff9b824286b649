"""In whose namespaces somebody lives: refitd's own container, and Postgres.

Whoever owns the namespace takes it away when it stops, and a new container has a new one. Those
who live there can be brought along; but not refitd, which would stop itself, nor Postgres,
without which there is no lease and no row.

Where Postgres lives is told by addresses: ours to it, and its own as it says. Both are private
ones, mostly, and the same on many machines: a server elsewhere may well have the address of a
container here. So a container only counts where the connection must end in it: at its own
address, or at a port of this machine that it publishes.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from refitd.core.container import Json

#: Where a container may live with another, and how that is called.
SHARED = {"NetworkMode": "network", "IpcMode": "IPC", "PidMode": "PID"}
_SHORT_ID = 12
_LIVES = frozenset(("running", "paused", "restarting"))


@dataclass(frozen=True, slots=True)
class Server:
    """Where Postgres is. Nothing is known of one that is reached by a Unix socket.

    `peer` and `peer_port` are what our connection ends in as seen from here, `own_end` the
    address that it begins at, `address` and `port` what the server itself says.
    """

    peer: str | None = None
    peer_port: int | None = None
    own_end: str | None = None
    address: str | None = None
    port: int | None = None


def residents(owner: Json, everyone: Sequence[Json]) -> Iterator[tuple[Json, str]]:
    """Who lives in which of the owner's namespaces, also by way of others."""
    for other in everyone:
        if other["Id"] != owner["Id"]:
            for field, what in SHARED.items():
                if _comes_to(owner, other, field, everyone):
                    yield other, what


def homes_of(server: Server | None, everyone: Sequence[Json]) -> tuple[Json, ...]:
    """The containers that Postgres may be in: the one whose network endpoint it is reached by,
    first, and those that share its network namespace. None where it is not in a container."""
    if server is None or server.address is None or server.peer is None:
        return ()
    gateways = {gate for other in everyone for gate in _values(other, "Gateway", "IPv6Gateway")}
    for other in everyone:
        if _is_reached_in(other, server, gateways):
            sharing = (r for r, what in residents(other, everyone) if what == "network")
            return (other, *(each for each in sharing if _lives(each)))
    return ()


def borrowed_from(inspect: Json, field: str) -> str | None:
    """Whose namespace it has instead of one of its own, by id or name."""
    kind, _, owner = str((inspect.get("HostConfig") or {}).get(field) or "").partition(":")
    return owner if kind == "container" and owner else None


def borrowings(inspect: Json) -> Iterator[tuple[str, str]]:
    """(field, id or name) of the containers whose namespaces or volumes it uses."""
    for field in SHARED:
        if owner := borrowed_from(inspect, field):
            yield field, owner
    for source in (inspect.get("HostConfig") or {}).get("VolumesFrom") or ():
        yield "VolumesFrom", source.partition(":")[0]


def is_called(inspect: Json, id_or_name: str) -> bool:
    return is_id_of(inspect, id_or_name) or bool(
        inspect["Name"].lstrip("/") == id_or_name.lstrip("/")
    )


def is_id_of(inspect: Json, reference: str) -> bool:
    return len(reference) >= _SHORT_ID and str(inspect["Id"]).startswith(reference)


def _comes_to(owner: Json, inspect: Json, field: str, everyone: Sequence[Json]) -> bool:
    """Whose namespace it is in the end, where one borrows what another has borrowed."""
    passed: set[str] = set()
    while whose := borrowed_from(inspect, field):
        if is_called(owner, whose):
            return True
        passed.add(inspect["Id"])
        lender = next((each for each in everyone if is_called(each, whose)), None)
        if lender is None or lender["Id"] in passed:
            return False
        inspect = lender
    return False


def _is_reached_in(inspect: Json, server: Server, gateways: Collection[str]) -> bool:
    if not _lives(inspect) or not _has_address(inspect, server.address):
        return False
    if _same(server.peer, server.address):
        return True
    here = _same(server.peer, server.own_end) or any(_same(server.peer, g) for g in gateways)
    return here and _publishes(inspect, server.port, server.peer_port)


def _publishes(inspect: Json, inner: int | None, outer: int | None) -> bool:
    ports = (inspect.get("NetworkSettings") or {}).get("Ports") or {}
    bindings = ports.get(f"{inner}/tcp") or ()
    return any(str(binding.get("HostPort")) == str(outer) for binding in bindings)


def _has_address(inspect: Json, address: str | None) -> bool:
    return any(_same(address, own) for own in _values(inspect, "IPAddress", "GlobalIPv6Address"))


def _values(inspect: Json, *keys: str) -> Iterator[str]:
    networks = (inspect.get("NetworkSettings") or {}).get("Networks") or {}
    for endpoint in networks.values():
        for key in keys:
            if value := (endpoint or {}).get(key):
                yield str(value)


def _lives(inspect: Json) -> bool:
    return inspect["State"]["Status"] in _LIVES


def _same(one: str | None, other: str | None) -> bool:
    """
    >>> _same("fd00::1", "FD00:0:0::1"), _same("172.17.0.2", "::ffff:172.17.0.2"), _same("", None)
    (True, True, False)
    """
    return one is not None and other is not None and _address(one) == _address(other)


def _address(text: str) -> object:
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return text
    return getattr(found, "ipv4_mapped", None) or found
