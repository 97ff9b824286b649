"""A new container is the old one with another image: what to send to the engine.

A *baseline probe* (a container made of the old image with no wishes at all, and never
started) shows what image and engine supply by themselves. What the old container has beyond
that is what its owner asked for, and that goes onto the new image. All of it is raw engine
JSON: fields which this code has never heard of are subtracted and carried like any other,
and the few that need thought are handled by name in `refitd.core.clone`.
"""

from __future__ import annotations

from typing import Any

from refitd.core import labels
from refitd.core.clone.asked import note_of
from refitd.core.clone.config import asked_config
from refitd.core.clone.fidelity import differences
from refitd.core.clone.host import asked_host_config
from refitd.core.clone.mounts import without_copying
from refitd.core.clone.network import (
    ALL_NETWORKS_AT_CREATION,
    asked_endpoints,
    final_endpoint,
    network_mode,
)
from refitd.core.clone.plan import Clone, Kind
from refitd.core.clone.refusal import refusals
from refitd.core.clone.warning import own_files, warnings
from refitd.core.container import CreateRequest, Json

__all__ = [
    "Clone",
    "Kind",
    "create_request",
    "differences",
    "endpoint",
    "own_files",
    "probe_request",
    "refusals",
    "stop_timeout",
    "warnings",
    "without_copying",
]


def probe_request(inspect: Json, name: str) -> CreateRequest:
    """The baseline: the same image, and of the container's wishes only those that decide
    what the engine supplies.

    Not its runtime: in the baseline it could no longer be told from the engine's default.
    """
    host = inspect["HostConfig"]
    body = {
        "Image": inspect["Image"],
        "Labels": {labels.ROLE: labels.PROBE},
        "HostConfig": {
            "NetworkMode": network_mode(inspect),
            "Privileged": bool(host.get("Privileged")),
        },
    }
    return CreateRequest(name, body, platform=_platform(inspect))


def create_request(old: Json, baseline: Json, plan: Clone) -> CreateRequest:
    body: dict[str, Any] = asked_config(old, baseline, plan)
    if plan.kind != "canary" and (note := note_of(body)):
        body["Labels"] = {**body.get("Labels", {}), **note}
    body["Image"] = plan.image
    body["HostConfig"] = asked_host_config(old, baseline, plan)
    endpoints = asked_endpoints(old, plan)
    first, later = _split(endpoints, plan.api_version)
    if any(first.values()) or first.keys() - {"bridge"}:
        body["NetworkingConfig"] = {"EndpointsConfig": first}
    if plan.kind != "canary" and plan.api_version < ALL_NETWORKS_AT_CREATION:
        body |= {"MacAddress": mac} if (mac := old["Config"].get("MacAddress")) else {}
    return CreateRequest(plan.name, body, _platform(old), connect=tuple(later.items()))


def endpoint(old: Json, network: str, plan: Clone) -> Json:
    """What `connect` is to be sent when the proven successor gets its names on `network`."""
    return final_endpoint(old, network, plan)


def stop_timeout(inspect: Json) -> int:
    """Seconds between the stop signal and the kill, as its owner or its image wants them."""
    seconds = inspect["Config"].get("StopTimeout")
    return 10 if seconds is None else int(seconds)


def _split(
    endpoints: dict[str, dict[str, Any]], api_version: tuple[int, int]
) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    """Older engines take one network at creation: the first one; the rest is connected."""
    if api_version >= ALL_NETWORKS_AT_CREATION:
        return endpoints, {}
    names = list(endpoints)
    return ({n: endpoints[n] for n in names[:1]}, {n: endpoints[n] for n in names[1:]})


def _platform(inspect: Json) -> str | None:
    """Only known, and only needed, where the image store holds several platforms."""
    platform = (inspect.get("ImageManifestDescriptor") or {}).get("platform") or {}
    parts = (platform.get("os"), platform.get("architecture"), platform.get("variant"))
    return "/".join(part for part in parts if part) or None
