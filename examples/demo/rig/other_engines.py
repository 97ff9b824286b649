"""Docker engines of several releases of Debian, beside one another and beside any that is there.

Each runs on a root file system of its own, made from the packages of its release and kept for the
next time: it sees this machine's devices and kernel, its own programs, its folder, and nothing
else. That takes root, and Debian's packages in reach; where the engine of this machine is of the
same version, another one is started all the same, so that no container of anybody's is met.
"""

import json
import os
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal, Self, get_args

from rig import debian
from rig.cache import cached
from rig.engine import Engine
from rig.missing import MissingPart

Version = Literal["1.41", "1.45", "1.51"]
VERSIONS: tuple[Version, ...] = get_args(Version)

#: The release of Debian whose engine has this version of the API: 20.10, 26.1 and 28.5 by name.
#: The last is never released, and may have a newer one by now, which is as good.
SUITES: dict[Version, str] = {"1.41": "bookworm", "1.45": "trixie", "1.51": "sid"}

#: `busybox-static` is for the containers: see `busybox_image`.
_PACKAGES = ("docker.io", "iptables", "busybox-static", "mount", "ca-certificates")
#: The command is a package of its own in the later releases.
_MORE = {"bookworm": (), "trixie": ("docker-cli",), "sid": ("docker-cli",)}
#: Where things are mounted when the engine runs on it.
_PLACES = ("proc", "sys", "dev", "run", "var/tmp", "etc/docker", "old")
_WHY = "engines of several versions are to be tested on"


class Engines:
    """Engines by the version of their API, each begun when it is first asked for; a context
    manager. `settings` are those of a `daemon.json`.
    """

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        self._settings = settings or {}
        self._stack = ExitStack()
        self._begun: dict[Version, Engine] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def of(self, version: Version) -> Engine:
        """The one of this version."""
        if version not in self._begun:
            self._begun[version] = self._begin(version)
        return self._begun[version]

    def _begin(self, version: Version) -> Engine:
        root = root_of(version)
        engine = self._stack.enter_context(Engine(root, self._settings))
        found = str(engine.client().version()["ApiVersion"])
        moved_on = version == VERSIONS[-1] and _number(found) > _number(version)
        if found != version and not moved_on:
            raise MissingPart(f"{_WHY}, and {SUITES[version]} has API {found}, not {version}")
        return engine


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def root_of(version: Version) -> Path:
    """The root file system with the engine of this version; half a minute the first time."""
    if os.geteuid() != 0:
        raise MissingPart(f"{_WHY}, each on a file system of its own: please run this as root")
    suite = SUITES[version]
    key = json.dumps([suite, _PACKAGES, _MORE[suite], _PLACES])
    return cached("engine", key, lambda made: _bootstrap(made, suite))


def _bootstrap(made: Path, suite: str) -> None:
    mmdebstrap = debian.need("mmdebstrap", "mmdebstrap", "debian-archive-keyring", why=_WHY)
    command = [
        mmdebstrap,
        "--quiet",
        "--variant=apt",
        '--aptopt=Acquire::Check-Valid-Until "false"',
        f"--include={','.join((*_PACKAGES, *_MORE[suite]))}",
        suite,
        str(made),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise MissingPart(f"{_WHY}, and making that of {suite} failed:\n{done.stderr.strip()}")
    for place in _PLACES:
        (made / place).mkdir(parents=True, exist_ok=True)
