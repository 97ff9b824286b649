"""`Config`: what was asked for beyond the image's own configuration.

The engine merges an image into a request field by field (moby, `daemon/commit.go`), and what
is subtracted here is what that merge would put back. It is the *new* image that then does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from refitd.core import labels
from refitd.core.clone.asked import not_asked
from refitd.core.clone.identity import own_hostname
from refitd.core.clone.plan import Clone
from refitd.core.clone.subtract import entries, fields, keys
from refitd.core.container import Json

COMPOSE = "com.docker.compose."
COMPOSE_IMAGE = COMPOSE + "image"
#: On each container that compose made, and on no image.
COMPOSE_HASH = COMPOSE + "config-hash"
#: Compose's own note to itself while it replaces a container.
COMPOSE_REPLACE = COMPOSE + "replace"

#: The built-in hand-over of existing backends: the container stops and removes the one named.
REPLACING = "REPLACING_CONTAINER"
OWN_NAME = "CONTAINER_NAME"

_HANDLED = frozenset((
    "Hostname", "Domainname", "MacAddress", "Image", "Env", "Labels",
    "Cmd", "Entrypoint", "Healthcheck", "ExposedPorts", "Volumes",
))  # fmt: skip


def asked_config(old: Json, baseline: Json, plan: Clone) -> dict[str, Any]:
    have = old["Config"]
    base = not_asked(baseline.get("Config") or {}, have)
    asked = fields(have, base, leave=_HANDLED)
    asked |= _names(old, baseline, plan)
    asked |= _command(have, base)
    parts = {
        "Env": _env(have, base, plan.final_name),
        "Labels": _labels(have, base, plan),
        "Healthcheck": entries(have.get("Healthcheck"), base.get("Healthcheck")),
        "ExposedPorts": keys(have.get("ExposedPorts"), base.get("ExposedPorts")),
        "Volumes": keys(have.get("Volumes"), base.get("Volumes")),
    }
    return asked | {key: part for key, part in parts.items() if part}


def _names(old: Json, baseline: Json, plan: Clone) -> dict[str, str]:
    """Hostname and domain. The engine's DNS answers to a hostname: a canary must bear none."""
    if plan.kind == "canary":
        return {}
    named: dict[str, str] = {}
    if hostname := own_hostname(old, baseline, plan.forebears):
        named["Hostname"] = hostname
    domain, mode = old["Config"].get("Domainname"), str(old["HostConfig"].get("NetworkMode"))
    supplied = (baseline.get("Config") or {}).get("Domainname")
    if domain and domain != supplied and not mode.startswith("container:"):
        named["Domainname"] = domain
    return named


def _command(have: Json, base: Json) -> dict[str, Any]:
    """Entrypoint and Cmd belong together: an image's Cmd is only used with its Entrypoint.

    The way to say "no entrypoint" is `[""]`. An empty Cmd under the image's entrypoint comes
    of an owner who repeated that entrypoint, and only repeating it again brings that about.
    """
    entrypoint, command = have.get("Entrypoint"), have.get("Cmd")
    changed = entrypoint != base.get("Entrypoint")
    emptied = bool(entrypoint and not command and base.get("Cmd"))
    if changed or emptied:
        return {"Entrypoint": entrypoint or [""], "Cmd": command}
    return {"Cmd": command} if command != base.get("Cmd") else {}


def _env(have: Json, base: Json, final_name: str) -> list[str]:
    """By key: one whose lines are the image's goes. One given twice stays as it is: the last of
    its lines is what the container sees, and that may be the very one of the image.
    """
    image = _by_key(base.get("Env") or ())
    return [
        f"{OWN_NAME}={final_name}" if key == OWN_NAME else line
        for key, lines in _by_key(have.get("Env") or ()).items()
        if lines != image.get(key) and key != REPLACING
        for line in lines
    ]


def _by_key(lines: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in lines:
        found.setdefault(line.partition("=")[0], []).append(line)
    return found


def _labels(have: Json, base: Json, plan: Clone) -> dict[str, str]:
    asked = _compose(have) | entries(have.get("Labels"), base.get("Labels"))
    theirs = {
        key: value
        for key, value in asked.items()
        if not key.startswith(labels.PREFIX) and key != COMPOSE_REPLACE
    }
    if plan.kind == "canary":  # compose must not count it among the service's containers
        theirs = {key: value for key, value in theirs.items() if not key.startswith(COMPOSE)}
    elif plan.compose_image and COMPOSE_IMAGE in theirs:
        theirs[COMPOSE_IMAGE] = plan.compose_image
    return theirs | dict(plan.labels)


def _compose(have: Json) -> dict[str, str]:
    """What compose wrote on a container that it made.

    It writes project, service and its version on the images that it builds, too. Subtracted, they
    would be lost with that image, and the container with them: compose would make it anew.
    """
    all_labels: dict[str, str] = have.get("Labels") or {}
    if COMPOSE_HASH not in all_labels:
        return {}
    return {key: value for key, value in all_labels.items() if key.startswith(COMPOSE)}
