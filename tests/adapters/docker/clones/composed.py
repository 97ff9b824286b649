"""A project of compose's, of one service for each kind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from refitd.core.container import Container
from tests.adapters.docker.clones.api_kinds import filled
from tests.adapters.docker.clones.compose_kinds import SERVICES, project
from tests.adapters.docker.clones.ground import Ground


class Composed:
    """Its image is always called the same, so that compose's file stays word for word the same."""

    def __init__(self, ground: Ground, folder: Path, words: dict[str, str]) -> None:
        self._ground, self._folder = ground, folder
        self._image = ground.name("image") + ":1"
        secret = ground.rig.folder / "secret"
        secret.write_text("of nobody")
        spec = filled(project(self._image), words | {"secret": str(secret)})
        (folder / "compose.yaml").write_text(json.dumps({"name": ground.mark, **spec}))

    def created_of(self, image: str) -> dict[str, Container]:
        """The container of each service, not started."""
        self._ground.engine.tag(image, self._image)
        self._compose("create")
        return self._containers()

    def started_of(self, image: str) -> dict[str, Container]:
        """The same, running."""
        self._ground.engine.tag(image, self._image)
        self._compose("up", "--detach")
        return self._containers()

    def take_away(self) -> None:
        """All containers with their volumes; networks stay."""
        self._compose("rm", "--force", "--volumes")

    def _containers(self) -> dict[str, Container]:
        return {each: self._ground.get(f"{self._ground.mark}-{each}-1") for each in SERVICES}

    def _compose(self, *words: str) -> None:
        program = Path(sys.executable).with_name("docker-compose")
        done = subprocess.run(
            [str(program), "--progress", "plain", *words],
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "DOCKER_HOST": self._ground.rig.host},
        )
        assert done.returncode == 0, done.stdout + done.stderr
