"""Where settings are found: the file, `REFITD_…` variables, and the names of old.

Each place answers the same tree of raw values, spelt as in the file. Which one wins is said
in `load`; nothing is checked here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from refitd.errors import SettingsError

PREFIX = "REFITD_"
SYSTEM_FILE = Path("/etc/refitd/refitd.toml")

#: A variable that names the file and so cannot be a setting.
CONFIG_VARIABLE = PREFIX + "CONFIG"

#: The names that deployments use which had a rebuild script before they had refitd.
OLD_NAMES: Mapping[str, tuple[str, ...]] = {
    "CONTAINER_NAME": ("container",),
    "IMAGE_TAG": ("image",),
    "GIT_REPO": ("source", "repo"),
    "GIT_BRANCH": ("source", "branch"),
    "GIT_SUBDIR": ("source", "subdir"),
}
#: What the target is called that only those names describe.
OLD_TARGET = "backend"

Path_ = tuple[str, ...]


@dataclass
class Place:
    """A tree of raw values, and for each leaf the variable that it came from."""

    tree: dict[str, Any] = field(default_factory=dict)
    origins: dict[Path_, str] = field(default_factory=dict)

    def put(self, path: Path_, value: str, origin: str) -> None:
        branch = self.tree
        for part in path[:-1]:
            below = branch.setdefault(part, {})
            if not isinstance(below, dict):
                raise SettingsError(
                    f"{origin} speaks of a part of what another variable sets whole"
                )
            branch = below
        branch[path[-1]] = value
        self.origins[path] = origin


def find_file(config: str | None, environ: Mapping[str, str], cwd: Path) -> Path | None:
    """The file to read. One that was asked for by name must be there, the usual ones may."""
    named = config or environ.get(CONFIG_VARIABLE)
    if named:
        path = cwd / named
        if not path.is_file():
            asked_by = "--config" if config else CONFIG_VARIABLE
            raise SettingsError(f"{asked_by} names {named}, and there is no such file")
        return path
    return next((path for path in (cwd / "refitd.toml", SYSTEM_FILE) if path.is_file()), None)


def read_file(path: Path | None) -> dict[str, Any]:
    """The file's tables. That a file is no TOML is said with the line."""
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as bad:
        raise SettingsError(f"{path} is not valid TOML: {bad}") from bad
    except OSError as bad:
        raise SettingsError(f"{path} cannot be read: {bad.strerror}") from bad


def from_environment(environ: Mapping[str, str], targets: Collection[str]) -> Place:
    """`REFITD_TARGET__BACKEND__IMAGE` is `target.backend.image`. Empty ones count as unset.

    Variables are upper case and have no dashes, while `targets` of the file may: a name is
    taken for the one in the file that looks the same. Build arguments keep their case.
    """
    place = Place()
    for name, value in sorted(environ.items()):
        if name.startswith(PREFIX) and name != CONFIG_VARIABLE and value:
            parts = name.removeprefix(PREFIX).split("__")
            place.put(tuple(_spelt(parts, targets)), value, name)
    return place


def _spelt(parts: list[str], targets: Collection[str]) -> Iterator[str]:
    match [part.lower() for part in parts]:
        case ["target", name, "build", "args", _]:
            yield from ("target", _named(name, targets), "build", "args", parts[-1])
        case ["target", name, *rest]:
            yield from ("target", _named(name, targets), *rest)
        case lowered:
            yield from lowered


def _named(name: str, targets: Collection[str]) -> str:
    alike = (known for known in targets if _bare(known) == _bare(name))
    return next(alike, name)


def _bare(name: str) -> str:
    return name.lower().replace("-", "_").replace(".", "_")


def from_old_names(
    environ: Mapping[str, str], targets: Collection[str], *, local: bool = False
) -> Place:
    """What the names of old say, for the only target there is.

    With several targets, those that describe one would have to be guessed at: left out.
    `local` when the target is built from a folder, so that a repo would only be in the way.
    """
    place = Place()
    if url := environ.get("DATABASE_URL"):
        place.put(("dsn",), url, "DATABASE_URL")
    for name in ("DOCKER_HOST", "DOCKER_SOCKET"):  # the later one wins: it is the plainer one
        if host := environ.get(name):
            place.put(("docker_host",), host, name)
    if len(targets) <= 1:
        target = next(iter(targets), OLD_TARGET)
        for name, path in OLD_NAMES.items():
            value = environ.get(name)
            if value and not (local and name == "GIT_REPO"):
                place.put(("target", target, *path), value, name)
    return place
