"""The container we run in, if any: a target that must never be replaced.

There is no interface for this. The id stands in the paths that the engine mounts into each
container (`/etc/hostname` among them) and, on older kernels, in the cgroup path.
"""

from __future__ import annotations

import re
from pathlib import Path

_ID = re.compile(r"/(?:containers|docker|docker-)/?([0-9a-f]{64})\b")
_PLACES = (Path("/proc/self/mountinfo"), Path("/proc/self/cgroup"))


def own_container_id(places: tuple[Path, ...] = _PLACES) -> str | None:
    for place in places:
        try:
            text = place.read_text()
        except OSError:
            continue
        if place.name == "mountinfo":
            # Only what is mounted into us: a host sees the mounts of all its containers.
            text = "\n".join(line for line in text.splitlines() if " /etc/hostname " in line)
        found = _ID.search(text)
        if found:
            return found[1]
    return None
