"""How a container is replaced: side by side where that is possible, else one after the other.

The answer comes with its reason, in words, for the plan and the audit row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from refitd.core.clone.identity import own_hostname
from refitd.core.clone.network import asked_mac, has_own_network, network_mode
from refitd.core.companions import Companion
from refitd.core.container import Json
from refitd.core.target import Target

Strategy = Literal["swap", "overlap"]

_BUILT_IN = ("default", "bridge")


def choose(target: Target, old: Json, companions: Sequence[Companion] = ()) -> tuple[Strategy, str]:
    """`overlap` where the target is declared fit for it and nothing it uses is exclusive."""
    if target.strategy == "swap":
        return "swap", "the settings ask for it"
    objection = _overlap_objection(target, old, companions)
    if objection is None:
        return "overlap", "two of it may run side by side, and nothing it uses is exclusive"
    if target.strategy == "overlap":
        return "swap", f"overlap is asked for, but {objection}"
    return "swap", objection


def canary_objection(target: Target, old: Json) -> str | None:
    """Why no second one may be started for a trial, if anything stands against it."""
    if not target.canary:
        return "the settings say canary = false"
    mode = network_mode(old)
    if mode == "host":
        return "it uses the host's network, where two of it would want the same ports"
    if mode.startswith("container:"):
        return "it uses another container's network, where two of it would want the same ports"
    return None


def _overlap_objection(target: Target, old: Json, companions: Sequence[Companion]) -> str | None:
    host = old["HostConfig"]
    if not target.concurrent:
        return "the settings do not say that two of it may run side by side (concurrent = true)"
    if not has_own_network(old) or network_mode(old) in _BUILT_IN:
        return "it is not on a user-defined network, where names could move"
    if host.get("PublishAllPorts") or any((host.get("PortBindings") or {}).values()):
        return "it publishes host ports, and two containers cannot hold one port"
    for companion in companions:
        if companion.is_cut_off:
            return f"{companion.name} lives in its namespaces, and can be with one of two only"
    return _identity_objection(target, old)


def _identity_objection(target: Target, old: Json) -> str | None:
    networks = old["NetworkSettings"].get("Networks") or {}
    if target.traffic_network is not None and target.traffic_network not in networks:
        return f"it is not on its traffic network {target.traffic_network}"
    fixed = [name for name, endpoint in networks.items() if (endpoint or {}).get("IPAMConfig")]
    if fixed:
        return f"it has a fixed address on network {min(fixed)}"
    if old["Config"].get("MacAddress") or any(asked_mac(old, name) for name in networks):
        return "it has a fixed MAC address"
    alone = target.traffic_network is None or len(networks) == 1
    if alone and own_hostname(old, {}):
        return "its hostname is a network name too, and would draw requests before the proof"
    return None
