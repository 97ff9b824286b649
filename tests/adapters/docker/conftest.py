"""A real engine, and what a test makes on it taken away again."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest
from docker.types import IPAMConfig, IPAMPool

from refitd.adapters.docker_engine import DockerEngine
from refitd.core.building import BuildRequest
from refitd.ports import Engine as Port
from rig.engine import Engine
from rig.ports import free_port
from tests.adapters.docker.containers import PANEL, dockerfile


class DockerYard:
    """The adapter under test. Every name on it has this test's mark, by which it is cleared."""

    def __init__(
        self, engine: DockerEngine, client: docker.DockerClient, image: str, base: str, folder: Path
    ) -> None:
        self.engine: Port = engine
        self.image, self.base = image, base
        self.target = "t" + uuid.uuid4().hex[:8]
        self._client, self._folder = client, folder

    def name(self, word: str) -> str:
        """Marked."""
        return f"{self.target}-{word}"

    def network(self, word: str, subnet: str | None = None) -> str:
        """A bridge network, with addresses of the test's choice if it has one."""
        name = self.name(word)
        pools = [IPAMPool(subnet=subnet)] if subnet else None
        ipam = IPAMConfig(pool_configs=pools) if pools else None
        self._client.networks.create(name, driver="bridge", ipam=ipam)
        return name

    def host_port(self) -> str:
        """A port that was free a moment ago."""
        return str(free_port())

    def tag(self) -> str:
        """A tag for an image that nobody has."""
        return f"{self.target}-{uuid.uuid4().hex[:6]}:1"

    def folder(self, **files: str) -> str:
        """A build context; `Dockerfile` and other files by name."""
        folder = self._folder / uuid.uuid4().hex
        folder.mkdir()
        for name, text in files.items():
            (folder / name).write_text(text)
        return str(folder)

    def good_build(self) -> BuildRequest:
        """Two steps and what labels add."""
        text = dockerfile(self.base, "ENV MADE=here")
        return BuildRequest(self.tag(), context=self.folder(Dockerfile=text), labels={"made": "y"})

    def bad_build(self) -> BuildRequest:
        """Its last step fails."""
        text = dockerfile(self.base, "RUN echo no good; exit 3")
        return BuildRequest(self.tag(), context=self.folder(Dockerfile=text))

    def endless_build(self) -> BuildRequest:
        """Its last step says one line, and then nothing for ever."""
        text = dockerfile(self.base, "RUN echo begun; sleep 100000")
        return BuildRequest(self.tag(), context=self.folder(Dockerfile=text), no_cache=True)

    def build(self, text: str) -> str:
        """An image of this Dockerfile; answers its tag."""
        request = BuildRequest(self.tag(), context=self.folder(Dockerfile=text))
        self.engine.build(request, lambda _: None, lambda: False)
        return request.tag

    def clear(self) -> None:
        """All that bears the mark."""
        for each in self.engine.everyone():
            if each.name.startswith(self.target):
                self.engine.remove(each.id, anonymous_volumes=True)
        for network in self._client.networks.list():
            if str(network.name).startswith(self.target):
                network.remove()
        for image in self._client.images.list():
            for tag in image.tags:
                if tag.startswith(self.target):
                    self.engine.remove_image(tag)
        for volume in self._client.volumes.list():
            if volume.name.startswith(self.target):
                volume.remove()


@pytest.fixture(scope="session")
def adapter(engine: Engine) -> Iterator[DockerEngine]:
    """The adapter, on the engine of the rig."""
    adapter = DockerEngine(engine.host)
    yield adapter
    adapter.close()


@pytest.fixture(scope="session")
def panel_image(
    adapter: DockerEngine, base_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """An image that runs until it is stopped and keeps data in a volume."""
    folder = tmp_path_factory.mktemp("panel")
    # Stopped before Python listens to the signal, it would take the engine's ten seconds to die.
    (folder / "Dockerfile").write_text(dockerfile(base_image, *PANEL, "STOPSIGNAL SIGKILL"))
    tag = f"refitd-test-{uuid.uuid4().hex[:8]}:1"
    adapter.build(BuildRequest(tag, context=str(folder)), lambda _: None, lambda: False)
    yield tag
    adapter.remove_image(tag)


@pytest.fixture
def yard(
    adapter: DockerEngine,
    docker_client: docker.DockerClient,
    panel_image: str,
    base_image: str,
    tmp_path: Path,
) -> Iterator[DockerYard]:
    """The engine, with a mark for this test."""
    yard = DockerYard(adapter, docker_client, panel_image, base_image, tmp_path)
    yield yard
    yard.clear()


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], None]:
    """Waits for what the engine does behind an answer, and fails when it does not come."""
    return _eventually


def _eventually(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline, "it did not come about within 20 s"
        time.sleep(0.05)
