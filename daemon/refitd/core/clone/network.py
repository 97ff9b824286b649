"""`NetworkSettings.Networks`: what was asked for of each endpoint, without its addresses.

An endpoint mixes what its owner asked for with what the engine made of it. Copying an
`IPAddress` or a generated MAC pins it, and two containers then fight over one. Only
`IPAMConfig` is a wish. A wished MAC can be told for the primary network, from `Config.MacAddress`
(absent otherwise). For the others only one that a vendor gave out is sure to be a wish: the engine
makes up none but local ones. Of these it cannot be told, and `warnings` say so.
"""

from __future__ import annotations

from typing import Any

from refitd.core.clone.identity import made_up_names
from refitd.core.clone.plan import Clone
from refitd.core.container import Json

#: From this version on every network can be given at creation, each with its MAC.
ALL_NETWORKS_AT_CREATION = (1, 44)
#: Before this one, inspect added short id and hostname to the aliases (the engine adds them
#: by itself, so nothing is lost by leaving them out).
EXACT_ALIASES = (1, 45)

#: What the engine brings along; nobody removes these.
BUILT_IN = ("default", "bridge", "host", "none")

_OPERATIONAL = frozenset((
    "NetworkID", "EndpointID", "Gateway", "IPAddress", "IPPrefixLen", "IPv6Gateway",
    "GlobalIPv6Address", "GlobalIPv6PrefixLen", "MacAddress", "DNSNames",
))  # fmt: skip


def network_mode(old: Json) -> str:
    """Where it names a network by id: the name, which is the key of its endpoint."""
    mode: str = old["HostConfig"].get("NetworkMode") or "default"
    for name, endpoint in _networks(old).items():
        if endpoint.get("NetworkID") and endpoint["NetworkID"] == mode:
            return name
    return mode


def has_own_network(old: Json) -> bool:
    """It has endpoints of its own: it is not on the host's, another's or no network."""
    mode = network_mode(old)
    return mode not in ("host", "none") and not mode.startswith("container:")


def asked_endpoints(old: Json, plan: Clone) -> dict[str, dict[str, Any]]:
    """Every network the new container is to be on before its start, primary first."""
    if not has_own_network(old):
        return {}
    held_back = _held_back(old, plan)
    primary = _primary(old)
    names = sorted(_networks(old), key=lambda name: (name != primary, name))
    return {name: _endpoint(old, name, plan) for name in names if name != held_back}


def final_endpoint(old: Json, network: str, plan: Clone) -> dict[str, Any]:
    """For late binding: the endpoint with its aliases, and the final name as one more.

    The container is still called something else then; the engine's DNS answers to the old
    one's name with both of them, until that one is gone and the name itself can move.
    """
    settings = _wishes(old, network, plan)
    aliases = [*_aliases(old, network, plan), plan.final_name]
    return settings | {"Aliases": list(dict.fromkeys(aliases))}


def _endpoint(old: Json, network: str, plan: Clone) -> dict[str, Any]:
    settings = _wishes(old, network, plan)
    aliases = _aliases(old, network, plan)
    if aliases and plan.kind == "successor":
        settings["Aliases"] = aliases
    return settings


def _wishes(old: Json, network: str, plan: Clone) -> dict[str, Any]:
    """All but the aliases. Fields this code has never heard of go along where they are set."""
    have = _networks(old)[network]
    kept = {
        key: value
        for key, value in have.items()
        if key not in _OPERATIONAL and key != "Aliases" and value
    }
    if plan.kind == "canary":
        kept.pop("IPAMConfig", None)
    elif plan.api_version >= ALL_NETWORKS_AT_CREATION:
        kept |= {"MacAddress": mac} if (mac := asked_mac(old, network)) else {}
    return kept


def asked_mac(old: Json, network: str) -> str | None:
    """The MAC address that is known to be its owner's wish."""
    if network == _primary(old):
        return old["Config"].get("MacAddress") or None
    mac: str = _networks(old)[network].get("MacAddress") or ""
    return mac if mac and not is_local_mac(mac) else None


def is_local_mac(mac: str) -> bool:
    """Whether it is of those that anybody may make up.

    >>> is_local_mac("02:42:ac:11:00:02"), is_local_mac("00:16:3e:00:00:2b")
    (True, False)
    """
    return bool(int(mac[:2], 16) & 2)


def _aliases(old: Json, network: str, plan: Clone) -> list[str]:
    stale = made_up_names(old, plan.forebears) | {old["Name"].lstrip("/"), plan.final_name}
    if plan.api_version < EXACT_ALIASES:
        stale |= {old["Config"].get("Hostname")}
    listed = _networks(old)[network].get("Aliases") or ()
    return [alias for alias in dict.fromkeys(listed) if alias not in stale]


def _held_back(old: Json, plan: Clone) -> str | None:
    """The network that a late one is connected to only when proven, if it has another."""
    names = _networks(old)
    late = plan.kind == "late" and plan.traffic_network in names and len(names) > 1
    return plan.traffic_network if late else None


def _primary(old: Json) -> str:
    mode = network_mode(old)
    return "bridge" if mode == "default" else mode


def _networks(old: Json) -> dict[str, dict[str, Any]]:
    networks = (old.get("NetworkSettings") or {}).get("Networks") or {}
    return {name: endpoint or {} for name, endpoint in networks.items()}
