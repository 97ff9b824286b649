"""Wheels for builds that have no network: fetched here by pip, for the base image's Python."""

import platform
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from rig import base_image
from rig.cache import cached
from rig.missing import MissingPart


def wheelhouse(
    requirements: Iterable[str] = (), *, locked: Path | None = None, python: str = base_image.PYTHON
) -> Path:
    """A folder with the wheels of these requirements, or of a lock with hashes, and all they need."""
    wanted = sorted(requirements)
    if locked is not None:
        wanted += ["--require-hashes", "--requirement", str(locked.resolve())]
    key = "\n".join([python, platform.machine(), *wanted, locked.read_text() if locked else ""])
    return cached("wheels", key, lambda made: _download(made, wanted, python))


def project_wheel(project: Path, into: Path) -> Path:
    """Builds the wheel of a project, with the build backend that is installed here."""
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", into, project],
        check=True,
        capture_output=True,
    )
    return max(into.glob("*.whl"), key=lambda wheel: wheel.stat().st_mtime)


def _download(made: Path, wanted: Iterable[str], python: str) -> None:
    command = [
        *(sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"),
        *("--dest", str(made), "--only-binary=:all:"),
        *("--python-version", python, "--implementation=cp"),
        *(f"--platform={tag}" for tag in _platforms()),
        *wanted,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise MissingPart(f"wheels for the builds could not be fetched:\n{done.stderr.strip()}")


def _platforms() -> list[str]:
    machine = platform.machine()
    newest = 36  # the C library of Debian 12 is 2.36; pip wants each older one named
    return [
        *(f"manylinux_2_{minor}_{machine}" for minor in range(newest, 16, -1)),
        f"manylinux2014_{machine}",
    ]
