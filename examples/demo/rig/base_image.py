"""Images to build upon, where no registry need be in reach.

The base is Debian 12 with the Python that belongs to it: the official image of it where a registry
can be reached, else one made from Debian's packages. Both have `python3` 3.11 with its standard
library and certificates, so one set of wheels suits both; neither is sure to have pip, and a build
has no network: wheels are copied in and unpacked.
"""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import docker
from docker.errors import DockerException, ImageNotFound

from rig import debian
from rig.cache import cached
from rig.missing import MissingPart

PYTHON = "3.11"
OFFICIAL = "python:3.11-slim-bookworm"
PACKAGES = ("python3", "ca-certificates")
SUITE = "bookworm"

_LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*")


def ensure_base(client: docker.DockerClient, tag: str = "refitd-rig/base:bookworm") -> str:
    """Sees to it that the engine has the base image; returns its tag."""
    if not has(client, tag) and not _pulled(client, tag):
        debian_image(client, tag, PACKAGES)
    return tag


def debian_image(
    client: docker.DockerClient,
    tag: str,
    packages: Sequence[str],
    *,
    command: Sequence[str] = ("python3",),
) -> str:
    """An image of Debian 12 and these packages, made without a registry (25 s the first time)."""
    if has(client, tag):
        return tag
    key = json.dumps([SUITE, sorted(packages), _LEFT_OUT])
    archive = cached("image", key, lambda made: _bootstrap(made, packages))
    changes = [f"CMD {json.dumps(list(command))}"]
    repository, _, version = tag.rpartition(":")
    client.api.import_image_from_file(
        str(archive), repository=repository, tag=version, changes=changes
    )
    return tag


def has(client: docker.DockerClient, tag: str) -> bool:
    """Whether the engine has an image of that name."""
    try:
        client.images.get(tag)
    except ImageNotFound:
        return False
    return True


def _pulled(client: docker.DockerClient, tag: str) -> bool:
    try:
        # The engine itself gives up after 15 s of silence.
        image = client.images.pull(OFFICIAL)
    except (DockerException, OSError):
        return False
    return image.tag(tag)


def _bootstrap(made: Path, packages: Sequence[str]) -> None:
    why = "no registry is in reach, and the base image is to be made from Debian's packages"
    mmdebstrap = debian.need("mmdebstrap", "mmdebstrap", "debian-archive-keyring", why=why)
    command = [
        mmdebstrap,
        "--quiet",
        "--format=tar",
        "--variant=essential",
        f"--include={','.join(packages)}",
        *(f"--dpkgopt=path-exclude={path}" for path in _LEFT_OUT),
        SUITE,
        str(made),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise MissingPart(f"{why}, which failed:\n{done.stderr.strip()}")
