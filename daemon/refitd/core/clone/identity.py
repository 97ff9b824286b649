"""Which of a container's names the engine made up from ids, its own or its forebears'.

A cloner that copies them pins the first generation's id as the hostname for ever and adds
an alias a generation. They are told by the ids themselves, never by looking like hex.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from refitd.core import labels
from refitd.core.container import Json

#: In our own labels ids stand in full or in short.
_ID = re.compile(r"\b[0-9a-f]{12,64}\b")


def known_forebears(inspect: Json, more: Iterable[str] = ()) -> tuple[str, ...]:
    """The ids of earlier generations: those given, and those on the container's own labels."""
    ours = inspect["Config"].get("Labels") or {}
    told = " ".join(ours.get(key, "") for key in (labels.FOREBEARS, labels.REPLACES))
    return tuple(dict.fromkeys((*more, *_ID.findall(told))))


def made_up_names(inspect: Json, forebears: Iterable[str] = ()) -> frozenset[str]:
    """Short ids: what the engine names a container that nobody named."""
    return frozenset(id_[:12] for id_ in (inspect["Id"], *known_forebears(inspect, forebears)))


def own_hostname(inspect: Json, baseline: Json, forebears: Iterable[str] = ()) -> str | None:
    """The hostname that its owner gave it, if any.

    With the host's or another container's namespace the name shown is theirs.
    """
    name: str = inspect["Config"].get("Hostname") or ""
    host = inspect.get("HostConfig") or {}
    borrowed = host.get("UTSMode") == "host" or str(host.get("NetworkMode")).startswith(
        "container:"
    )
    supplied = name == (baseline.get("Config") or {}).get("Hostname")
    if not name or borrowed or supplied or name in made_up_names(inspect, forebears):
        return None
    return name
