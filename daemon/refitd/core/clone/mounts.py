"""Volumes and mounts: data goes along, anonymous volumes too.

An anonymous volume stands in the request as nothing but a path, and re-sending that path
makes a new, empty one: the data seems lost and the old volume leaks. So each is mounted again
by the name the engine gave it. For a canary it is the other way round: it must not write into
the data of the one that serves, and gets fresh ones (also for those that an earlier
generation mounted by name, known by the name that only the engine gives).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

from refitd.core.container import Json

_MADE_UP_NAME = re.compile(r"[0-9a-f]{64}\Z")
_OPTIONS = {"bind": "BindOptions", "volume": "VolumeOptions", "tmpfs": "TmpfsOptions"}


def volume_name(mount: Json) -> str | None:
    """The name of a mounted volume. For a bare path in `Binds`, engine 28 shows only the folder.

    >>> volume_name({"Source": "/var/lib/docker/volumes/0af3/_data"})
    '0af3'
    """
    if mount.get("Name"):
        return str(mount["Name"])
    folder = PurePosixPath(mount.get("Source") or "")
    return folder.parent.name if folder.name == "_data" and folder.parent.name else None


def asked_mounts(old: Json, *, fresh: bool) -> dict[str, Any]:
    """`Binds` and `Mounts`, with the anonymous volumes by name (or all of them `fresh`)."""
    host = old["HostConfig"]
    volumes = {_place(m["Destination"]): m for m in old.get("Mounts") or () if _is_volume(m)}
    binds = [_bind(bind, volumes, fresh=fresh) for bind in host.get("Binds") or ()]
    mounts = [_mount(mount, volumes, fresh=fresh) for mount in host.get("Mounts") or ()]
    if not fresh:
        taken = {*map(_destination, binds), *(_place(mount["Target"]) for mount in mounts)}
        mounts += _anonymous(old, volumes.values(), taken)
    return {key: value for key, value in (("Binds", binds), ("Mounts", mounts)) if value}


def without_copying(old: Json) -> Json:
    """The same container, as if its owner had asked that nothing be copied into its volumes.

    As a container is created the engine fills each of its volumes that is empty with what the
    image has there. Of one that is made for a look only, nothing may be seen in a volume.
    """
    mounts = asked_mounts(old, fresh=False)
    binds = [_bind_without_copying(bind) for bind in mounts.get("Binds", ())]
    others = [_mount_without_copying(mount) for mount in mounts.get("Mounts", ())]
    return {**old, "HostConfig": {**old["HostConfig"], "Binds": binds, "Mounts": others}}


def _bind_without_copying(bind: str) -> str:
    """
    >>> [_bind_without_copying(b) for b in ("data:/d", "data:/d:ro", "data:/d:nocopy", "/h:/d:z")]
    ['data:/d:nocopy', 'data:/d:ro,nocopy', 'data:/d:nocopy', '/h:/d:z']
    """
    source, destination, mode = (*bind.split(":", 2), "")[:3]
    if source.startswith("/") or "nocopy" in mode.split(","):
        return bind
    return f"{source}:{destination}:{mode},nocopy" if mode else f"{source}:{destination}:nocopy"


def _mount_without_copying(mount: Json) -> Json:
    if mount.get("Type") != "volume":
        return mount
    return {**mount, "VolumeOptions": {**(mount.get("VolumeOptions") or {}), "NoCopy": True}}


def _bind(bind: str, volumes: Json, *, fresh: bool) -> str:
    """`/data` or `/data:ro` is an anonymous volume, `source:/data[:mode]` anything else."""
    source, _, rest = bind.partition(":")
    if rest.startswith("/"):
        return bind.partition(":")[2] if fresh and _MADE_UP_NAME.match(source) else bind
    name = volume_name(volumes.get(_place(source), {}))
    return bind if fresh or name is None else f"{name}:{bind}"


def _destination(bind: str) -> str:
    first, _, rest = bind.partition(":")
    return _place(rest.partition(":")[0] if rest.startswith("/") else first)


def _place(path: str) -> str:
    """As the engine shows it; an owner may have written a slash behind."""
    return path.rstrip("/") or "/"


def _is_volume(mount: Json) -> bool:
    return bool(mount.get("Type") == "volume")


def _mount(mount: Json, volumes: Json, *, fresh: bool) -> dict[str, Any]:
    """Verbatim, but for option blocks of another type, which newer engines refuse."""
    kind = mount.get("Type", "")
    alien = {block for type_, block in _OPTIONS.items() if type_ != kind}
    kept = {key: value for key, value in mount.items() if key not in alien}
    if kind != "volume":
        return kept
    if fresh and _MADE_UP_NAME.match(kept.get("Source") or ""):
        del kept["Source"]
    elif not fresh and not kept.get("Source"):
        kept["Source"] = volume_name(volumes.get(_place(kept["Target"]), {}))
    return kept


def _anonymous(old: Json, volumes: Iterable[Json], taken: set[str]) -> list[dict[str, Any]]:
    """Volumes that only `Config.Volumes` speaks of; others may come from `VolumesFrom`.

    One at a declared path may come from there as well. If it can only be read it does: one of its
    own could be written. Else it is taken for its own, and its data goes along in any case.
    """
    declared = {_place(path) for path in old["Config"].get("Volumes") or ()}
    borrows = bool(old["HostConfig"].get("VolumesFrom"))
    return [
        {"Type": "volume", "Source": volume_name(volume), "Target": volume["Destination"]}
        | ({} if volume.get("RW", True) else {"ReadOnly": True})
        for volume in sorted(volumes, key=lambda volume: str(volume["Destination"]))
        if volume["Destination"] not in taken
        and (not borrows or (volume["Destination"] in declared and volume.get("RW", True)))
    ]
