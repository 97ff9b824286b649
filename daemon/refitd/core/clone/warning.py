"""What changes when a container is replaced, or stays behind: no reason not to, but to be known.

Paths and names are said, never a value of the container's environment.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath

from refitd.core.clone.network import BUILT_IN, asked_mac, has_own_network, network_mode
from refitd.core.container import Json, Network

#: As many file names as a warning has room for.
_SHOWN = 5
#: Written by about everything that runs; nobody misses it.
_TRIVIAL = ("/tmp", "/var/tmp", "/run", "/var/run", "/var/cache", "/root/.cache", "/dev", "/proc")  # noqa: S108 - paths inside a container, none is opened


def warnings(old: Json, networks: Sequence[Network] = ()) -> tuple[str, ...]:
    """What changes with a replacement. `networks` are the engine's."""
    return (*_ports(old), *_mac_addresses(old), *_networks_made_anew(old, networks))


def own_files(old: Json, changed_files: Iterable[str]) -> str | None:
    """What it wrote that no volume covers, and is therefore not carried over, in a sentence.

    Of `changed_files` (`docker diff`) only the deepest paths: a folder counts as changed with
    each file written into it, and with each mount whose mount point had to be made.
    """
    mounts = {mount["Destination"] for mount in old.get("Mounts") or ()}
    paths = [path for path in changed_files if not _trivial(path) and path not in mounts]
    folders = {str(parent) for path in (*paths, *mounts) for parent in PurePosixPath(path).parents}
    files = sorted(path for path in paths if path not in folders)
    if not files:
        return None
    more = len(files) - _SHOWN
    shown = ", ".join(files[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
    return f"files in the container's own layer are not carried over: {shown}"


def _ports(old: Json) -> Iterator[str]:
    host = old["HostConfig"]
    if host.get("PublishAllPorts"):
        yield "it publishes all its ports: the engine will pick other host ports"
    for port, bindings in (host.get("PortBindings") or {}).items():
        if any((binding or {}).get("HostPort") in ("", "0", None) for binding in bindings or ()):
            yield f"port {port} is published on a host port of the engine's choice: it changes"


def _mac_addresses(old: Json) -> Iterator[str]:
    """Not every wish is told apart from what the engine made up."""
    if not has_own_network(old):
        return
    for name, endpoint in (old["NetworkSettings"].get("Networks") or {}).items():
        mac, address = (endpoint or {}).get("MacAddress"), (endpoint or {}).get("IPAddress")
        if name == network_mode(old) or not mac or not address or mac == generated_mac(address):
            continue
        if mac != old["Config"].get("MacAddress") and not asked_mac(old, name):
            yield f"whether its MAC address on network {name} was asked for cannot be told; it changes"


def generated_mac(address: str) -> str:
    """What the engine derives from an IPv4 address.

    >>> generated_mac("172.17.0.2")
    '02:42:ac:11:00:02'
    """
    return "02:42:" + ":".join(f"{int(part):02x}" for part in address.split("."))


def _networks_made_anew(old: Json, networks: Sequence[Network]) -> Iterator[str]:
    """Only of a container that does not run: no network goes away under one that does.

    What kind of network it was is not to be seen any more, only what the new one is. (The built-in
    bridge is made anew with each start of the engine.)
    """
    for name, endpoint in ((old.get("NetworkSettings") or {}).get("Networks") or {}).items():
        was = (endpoint or {}).get("NetworkID")
        now = [network for network in networks if network.name == name]
        if was and now and name not in BUILT_IN and was not in {network.id for network in now}:
            yield (
                f"its network {name} was removed and made anew since it ran, now with the driver"
                f" {now[0].driver}: the new container is put on that one"
            )


def _trivial(path: str) -> bool:
    inside = any(path == folder or path.startswith(folder + "/") for folder in _TRIVIAL)
    return inside or "__pycache__" in path
