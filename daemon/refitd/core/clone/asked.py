"""What was asked for, remembered by its paths on a label of each clone.

A new image may happen to supply the very value that the owner asked for. In the container made of
it the wish can no longer be told from the image's own, and with the next image it would be lost.
So each clone names what of its configuration was asked for, and that counts as such whatever its
image supplies. Paths only, as everywhere: the values are in the container itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from refitd.core import labels
from refitd.core.container import Json

#: In pieces; all else is asked for as a whole.
_BY_ENTRY = ("Labels", "Healthcheck", "ExposedPorts", "Volumes")
#: Who it is, and what the engine is told in another way: never told by what an image supplies.
_IDENTITY = ("Hostname", "Domainname", "MacAddress", "Image")


def note_of(config: Json) -> dict[str, str]:
    """The label for a container that is sent this configuration."""
    paths = sorted(_paths(config))
    return {labels.ASKED: json.dumps(paths)} if paths else {}


def not_asked(base: Json, have: Json) -> Json:
    """What the image supplies, without what is known to be asked for in this configuration."""
    left = dict(base)
    for path in _noted(base, have):
        key, _, entry = path.partition(".")
        if key == "Env":
            lines = left.get("Env") or ()
            left["Env"] = [line for line in lines if line.partition("=")[0] != entry]
        elif key == "Entrypoint":
            left[key] = [""]  # no image has it, and no container shows it
        elif entry:
            left[key] = {
                name: item for name, item in (left.get(key) or {}).items() if name != entry
            }
        else:
            left.pop(key, None)
    return left


def _noted(base: Json, have: Json) -> list[str]:
    """An image made of such a container hands the label on: then it says nothing."""
    note = (have.get("Labels") or {}).get(labels.ASKED)
    if note is None or note == (base.get("Labels") or {}).get(labels.ASKED):
        return []
    paths: list[str] = json.loads(note)
    return paths


def _paths(config: Json) -> Iterator[str]:
    for key, value in config.items():
        if key == "Env":
            yield from {f"Env.{line.partition('=')[0]}" for line in value}
        elif key in _BY_ENTRY:
            yield from (f"{key}.{name}" for name in _theirs(value))
        elif key not in _IDENTITY:
            yield key


def _theirs(entries: dict[str, Any]) -> Iterator[str]:
    return (name for name in entries if not name.startswith(labels.PREFIX))
