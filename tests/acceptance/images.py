"""Images that tests run servers in, built without a registry and without an index.

What compose.yaml calls official images are stand-ins here, on Debian's packages; what it builds
is built from the same Dockerfiles, by the engine's classic builder and with wheels for an index.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import docker
from docker.errors import BuildError

from rig.base_image import debian_image
from rig.wheels import wheelhouse

ROOT = Path(__file__).resolve().parents[2]
STAND_INS = Path(__file__).with_name("images")

#: One image with all of them: four would take four times as long to make.
_SERVERS = ("ca-certificates", "git", "lighttpd", "nginx-light", "postgresql", "python3", "systemd")
_SOURCES = ("daemon", "sql", "systemd", "examples/backend", "examples/compose", "pyproject.toml")


def servers_image(client: docker.DockerClient) -> str:
    """Debian with every server that a stand-in starts."""
    return debian_image(client, "refitd-rig/servers:bookworm", _SERVERS, command=["bash"])


def wheels(into: Path) -> Path:
    """All wheels that refitd and its build need, for the Python of the base image."""
    shutil.copytree(wheelhouse(locked=ROOT / "requirements/run.txt"), into, dirs_exist_ok=True)
    shutil.copytree(wheelhouse(["pip", "hatchling"]), into, dirs_exist_ok=True)
    return into


def build_context(folder: Path) -> Path:
    """A checkout as it would be after `pip download -d dist/wheels ...`."""
    for name in (*_SOURCES, "Dockerfile", ".dockerignore", "README.md", "requirements/run.txt"):
        source, copy = ROOT / name, folder / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, copy)
    wheels(folder / "dist/wheels")
    return folder


def build(
    client: docker.DockerClient,
    tag: str,
    context: Path,
    dockerfile: str = "Dockerfile",
    **arguments: str,
) -> str:
    """Build an image by the classic builder; answers its tag."""
    try:
        client.images.build(
            path=str(context), dockerfile=dockerfile, tag=tag, buildargs=arguments, forcerm=True
        )
    except BuildError as error:
        said = "".join(str(line.get("stream", "")) for line in error.build_log)
        raise AssertionError(f"{dockerfile} of {tag}: {error}\n{said}") from error
    return tag
