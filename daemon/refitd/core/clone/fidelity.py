"""The fidelity gate: does the new container ask for what the old one asked for?

Both are reduced to what their owner wants (`inspect - baseline`, each with its own image),
flattened to paths, and compared before the old one is touched. A wish counts as kept also
where the new image happens to supply the very value. The answer is paths, never values:
an environment holds secrets.

What refitd changes on purpose is left out: its own labels, the restart policy (it moves
between the two during a roll-out), the hand-over variables, compose's image label, and names
that the engine made up.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from refitd.core.clone.config import COMPOSE_IMAGE, OWN_NAME, asked_config
from refitd.core.clone.host import asked_host_config
from refitd.core.clone.identity import known_forebears
from refitd.core.clone.network import asked_endpoints
from refitd.core.clone.plan import Clone
from refitd.core.container import Json

_NOTHING: Json = {"Config": {}, "HostConfig": {}}
_ON_PURPOSE = frozenset((
    f"Config.Env.{OWN_NAME}",
    f"Config.Labels.{COMPOSE_IMAGE}",
    "HostConfig.RestartPolicy",
))  # fmt: skip
#: Different ways to say "nothing" that engines and clients use for one and the same.
_EMPTY: tuple[object, ...] = (None, "", 0, False, [], {}, [""])

Wishes = dict[str, Any]


def differences(
    old: Json,
    old_baseline: Json,
    new: Json,
    new_baseline: Json,
    *,
    late: bool | None = None,
) -> tuple[str, ...]:
    """Paths of the fields in which `new` is not what `old` was asked to be, sorted.

    `late`: the new one is still without its aliases or without one of its networks. Where it
    is not said, a container that bears no alias anywhere, or lacks a network, counts as late.
    """
    forebears = (old["Id"], *known_forebears(old), *known_forebears(new))
    plan = Clone("", "", old["Name"].lstrip("/"), forebears=forebears)
    wanted = _wishes(old, old_baseline, plan)
    asked = _wishes(new, new_baseline, plan)
    in_full = _wishes(new, _NOTHING, plan)
    lost = {path for path, value in wanted.items() if not _kept(path, value, asked, in_full)}
    added = asked.keys() - wanted.keys() - _ON_PURPOSE - _new_volumes(new_baseline)
    unlike = (lost - _ON_PURPOSE) | added
    if late or (late is None and _looks_late(wanted, asked)):
        unlike = {path for path in unlike if not _comes_later(path, wanted, asked)}
    return tuple(sorted(unlike))


def _new_volumes(baseline: Json) -> set[str]:
    """A volume that the new image declares is no wish, though it is carried from then on."""
    return {f"HostConfig.Mounts.{path}" for path in baseline["Config"].get("Volumes") or ()}


def _kept(path: str, value: object, asked: Wishes, in_full: Wishes) -> bool:
    if path in asked:
        return bool(asked[path] == value)
    have = in_full.get(path)
    return bool(have == value or (have in _EMPTY and value in _EMPTY and value != []))


def _wishes(inspect: Json, baseline: Json, plan: Clone) -> Wishes:
    """The container's wishes as a flat map, in the words of a create request."""
    config = asked_config(inspect, baseline, plan)
    host = asked_host_config(inspect, baseline, plan)
    config["MacAddress"] = inspect["Config"].get("MacAddress") or None
    if host["NetworkMode"] == "default":
        host["NetworkMode"] = "bridge"
    wishes = dict(_paths("Config", config)) | dict(_paths("HostConfig", host))
    for name, settings in asked_endpoints(inspect, plan).items():
        where = f"NetworkSettings.Networks.{name}"
        wishes[where] = True
        wishes |= {f"{where}.{key}": value for key, value in settings.items()}
        wishes[f"{where}.Aliases"] = sorted(settings.get("Aliases", ()))
    return {path: value for path, value in wishes.items() if value is not None}


def _paths(prefix: str, section: Json) -> Iterator[tuple[str, Any]]:
    for key, value in section.items():
        where = f"{prefix}.{key}"
        match key:
            case "Env":
                yield from ((f"{where}.{line.partition('=')[0]}", line) for line in value)
            case "Ulimits":
                yield from ((f"{where}.{limit['Name']}", limit) for limit in value)
            case "Mounts":
                yield from ((f"{where}.{mount['Target']}", mount) for mount in value)
            case "Healthcheck":
                yield from ((f"{where}.{name}", item) for name, item in value.items())
            case "Labels" | "ExposedPorts" | "Volumes":
                # in a tuple, as here an empty value says something: that the key is there
                yield from ((f"{where}.{name}", (item,)) for name, item in value.items())
            case _:
                yield where, value


def _looks_late(wanted: Wishes, asked: Wishes) -> bool:
    aliases = [path for path in wanted if path.endswith(".Aliases") and wanted[path]]
    return any(path not in asked for path in aliases) or not any(asked.get(p) for p in aliases)


def _comes_later(path: str, wanted: Wishes, asked: Wishes) -> bool:
    """An alias that is not there yet, or anything of a network that is not there yet."""
    if not path.startswith("NetworkSettings.Networks."):
        return False
    if path.endswith(".Aliases") and path in asked:
        return set(asked[path]) <= set(wanted.get(path, ()))
    missing = (place for place in wanted if wanted[place] is True and place not in asked)
    return any(path == place or path.startswith(place + ".") for place in missing)
