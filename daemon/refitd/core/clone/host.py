"""`HostConfig`: what was asked for beyond the engine's own defaults.

Inspect shows those defaults (ulimits, log driver, shm size, runtime, derived swap) as if the
owner had asked for them; sent back they would be pinned for ever.
"""

from __future__ import annotations

from typing import Any

from refitd.core.clone.mounts import asked_mounts
from refitd.core.clone.network import network_mode
from refitd.core.clone.plan import Clone
from refitd.core.clone.subtract import entries, fields, items
from refitd.core.container import Json

_HANDLED = frozenset((
    "ContainerIDFile",  # a file on the host of whoever called `docker run`
    "NetworkMode", "Privileged",  # the baseline was made with the same
    "Binds", "Mounts", "Links", "Ulimits", "SecurityOpt", "LogConfig", "Devices",
    "MemorySwap", "MemorySwappiness",
))  # fmt: skip

#: What a canary must not have: it stands beside the one that serves.
_NOT_FOR_CANARIES = ("PortBindings", "PublishAllPorts", "AutoRemove")


def asked_host_config(old: Json, baseline: Json, plan: Clone) -> dict[str, Any]:
    have, base = old["HostConfig"], baseline.get("HostConfig") or {}
    asked = fields(have, base, leave=_HANDLED)
    asked["NetworkMode"] = network_mode(old)
    asked |= asked_mounts(old, fresh=plan.kind == "canary")
    asked |= _swap(have, base)
    parts = {
        "Privileged": have.get("Privileged"),
        # The engine shows them in any order, and the gate is to find them the same.
        "Links": sorted(_link(link) for link in have.get("Links") or ()),
        "Ulimits": items(have.get("Ulimits"), base.get("Ulimits")),
        "SecurityOpt": items(have.get("SecurityOpt"), base.get("SecurityOpt")),
        "LogConfig": _log_config(have.get("LogConfig") or {}, base.get("LogConfig") or {}),
        "Devices": [_device(device) for device in have.get("Devices") or ()],
    }
    asked |= {key: part for key, part in parts.items() if part}
    return _for_kind(asked, plan)


def _for_kind(asked: dict[str, Any], plan: Clone) -> dict[str, Any]:
    if plan.kind == "canary":
        for key in _NOT_FOR_CANARIES:
            asked.pop(key, None)
    policy = ("no", 0) if plan.kind == "canary" else plan.restart_policy
    if policy:
        named = {"Name": policy[0], "MaximumRetryCount": policy[1]}
        asked["RestartPolicy"] = {**(asked.get("RestartPolicy") or {}), **named}
    return asked


def _swap(have: Json, base: Json) -> dict[str, int]:
    """The engine derives `MemorySwap` as twice `Memory`, and shows -1 for no swappiness."""
    kept: dict[str, int] = {}
    memory, swap = have.get("Memory") or 0, have.get("MemorySwap") or 0
    derived = memory > 0 and swap == 2 * memory
    if not derived and swap != (base.get("MemorySwap") or 0):
        kept["MemorySwap"] = swap
    swappiness = have.get("MemorySwappiness")
    if swappiness not in (None, -1, base.get("MemorySwappiness")):
        kept["MemorySwappiness"] = swappiness
    return kept


def _link(link: str) -> str:
    """
    >>> _link("/db:/web/database")
    'db:database'
    """
    target, _, alias = link.partition(":")
    return f"{target.lstrip('/')}:{alias.rpartition('/')[2]}"


def _log_config(have: Json, base: Json) -> dict[str, Any]:
    """Options that differ, where the driver is the engine's own; else the whole of it."""
    if have == base or not have.get("Type"):
        return {}
    if have["Type"] != base.get("Type"):
        return dict(have)
    asked = {"Type": have["Type"], "Config": entries(have.get("Config"), base.get("Config"))}
    return fields(have, base) | asked


def _device(device: Json) -> dict[str, Any]:
    return {**device, "CgroupPermissions": device.get("CgroupPermissions") or "rwm"}
