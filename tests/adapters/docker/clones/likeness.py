"""What two containers differ in, but for who they are.

The whole of `inspect` is compared, field by field, and what is left out is named here. So a field
that an engine of tomorrow shows is compared as well.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

from refitd.core import labels
from refitd.core.container import Container, Json

#: When and where it was made, and how it fares; and the tag, which each deployment has of its own.
_IDENTITY = frozenset((
    "Id", "Created", "State", "Config.Image", "GraphDriver", "ResolvConfPath", "HostnamePath",
    "HostsPath", "LogPath", "HostConfig.ContainerIDFile",
))  # fmt: skip
_ANONYMOUS = re.compile(r"[0-9a-f]{64}")


def unlike(
    have: Container, want: Container, inherited: Collection[str] = ()
) -> dict[str, tuple[Any, Any]]:
    """Each path in which the two differ, with both values.

    `inherited`: where an image in between declared a volume. Its data is kept for good, so the
    volume goes along by its name, though neither owner nor newest image ask for one.
    """
    one, other = _likeness(have.inspect), _likeness(want.inspect)
    for folder in inherited:
        if other.keys().isdisjoint(_paths_of(folder)) and folder in _made_up_volumes(have.inspect):
            one = {path: value for path, value in one.items() if path not in _paths_of(folder)}
    return {
        path: (one.get(path), other.get(path))
        for path in sorted(one.keys() | other.keys())
        if one.get(path) != other.get(path)
    }


def _paths_of(folder: str) -> tuple[str, str]:
    return f"Mounts.{folder}", f"HostConfig.Mounts.{folder}"


def _made_up_volumes(inspect: Json) -> set[str]:
    """Where it has volumes that nobody named."""
    volumes = (mount for mount in inspect["Mounts"] if mount["Type"] == "volume")
    return {str(mount["Destination"]) for mount in volumes if _is_made_up(volume_of(mount))}


def _likeness(inspect: Json) -> Json:
    names = _made_up(inspect)
    flat = dict(_flat("", {key: value for key, value in inspect.items() if key != "Mounts"}))
    flat |= {f"Mounts.{each['Destination']}": _mount(each) for each in inspect["Mounts"]}
    if inspect["Config"]["Hostname"] in names:
        del flat["Config.Hostname"]
    for path, value in flat.items():
        if path.startswith("NetworkSettings.Networks.") and path.endswith(_UNTIL_STARTED):
            flat[path] = None
        if path.endswith((".Aliases", ".DNSNames")):
            flat[path] = sorted(set(value or ()) - names)
    # Compose says these in any order, and engines show links so.
    flat["HostConfig.Links"] = sorted(inspect["HostConfig"]["Links"] or ())
    flat["HostConfig.Binds"] = sorted(_bind(bind) for bind in inspect["HostConfig"]["Binds"] or ())
    limits = inspect["HostConfig"]["Ulimits"] or ()
    flat["HostConfig.Ulimits"] = sorted(limits, key=lambda limit: str(limit["Name"]))
    flat.pop("HostConfig.Mounts", None)
    flat |= {f"HostConfig.Mounts.{mount['Target']}": mount for mount in _asked(inspect)}
    return {path: value for path, value in flat.items() if value not in _NOTHING}


#: Compose writes an address here as well, where the engine puts its own as it starts it.
_UNTIL_STARTED = (".IPAddress", ".IPv6Gateway")
#: Ways to say nothing at all.
_NOTHING: tuple[Any, ...] = (None, "", 0, False, [], {})


def _flat(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if path in _IDENTITY or path.startswith(f"Config.Labels.{labels.PREFIX}"):
        return
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _flat(f"{path}.{key}" if path else key, item)
    elif isinstance(value, list) and path == "Config.Env":
        yield path, sorted(value, key=lambda line: str(line).partition("=")[0])
    else:
        yield path, value


def _made_up(inspect: Json) -> set[str]:
    """By its id; and its own name, which the engine answers to whether it is an alias or not."""
    return {inspect["Id"][:12], inspect["Name"].lstrip("/")}


def _asked(inspect: Json) -> list[Json]:
    """Anonymous volumes are a path to their owner, and by name in a clone."""
    declared = {path.rstrip("/") for path in inspect["Config"]["Volumes"] or ()}
    nameless = [
        {key: value for key, value in mount.items() if key != "Source" or not _is_made_up(value)}
        for mount in inspect["HostConfig"].get("Mounts") or ()
    ]
    return [
        mount
        for mount in nameless
        if mount.keys() != {"Type", "Target"} or mount["Target"] not in declared
    ]


def _bind(bind: str) -> str:
    source, _, rest = bind.partition(":")
    return rest if _is_made_up(source) else bind


def _mount(mount: Json) -> Json:
    if mount["Type"] == "image":  # its source is where the engine put it this time
        return {key: value for key, value in mount.items() if key != "Source"}
    if mount["Type"] != "volume" or not _is_made_up(volume_of(mount)):
        return mount
    return {"Name": "anonymous", "RW": mount["RW"], "Driver": mount.get("Driver") or "local"}


def volume_of(mount: Json) -> str:
    """The name of a mounted volume; engine 28 shows that of some by their folder only."""
    return str(mount.get("Name") or mount["Source"].removesuffix("/_data").rpartition("/")[2])


def _is_made_up(volume: str | None) -> bool:
    return volume is not None and _ANONYMOUS.fullmatch(volume) is not None
