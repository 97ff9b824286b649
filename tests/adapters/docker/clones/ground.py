"""An engine of one version, with all that the containers of every kind are made upon."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from docker.types import IPAMConfig, IPAMPool

from refitd.adapters.docker_engine import DockerEngine
from refitd.core import labels, recreate
from refitd.core.building import BuildRequest
from refitd.core.container import Container, CreateRequest, Json
from refitd.core.recreate import Clone
from rig.busybox import busybox_image
from rig.engine import Engine
from rig.other_engines import Version, root_of

#: Other than any engine's own: what is supplied must be told from what was asked for.
SETTINGS = {
    "default-shm-size": "24M",
    "default-ulimits": {"nproc": {"Name": "nproc", "Soft": 4000, "Hard": 5000}},
    "log-opts": {"max-size": "7m"},
    "runtimes": {"other": {"path": "/usr/sbin/runc"}},
}
MAC = "02:00:00:00:00:2a"

#: An image, and the images that come after it: each supplies otherwise what an image can supply.
GENERATIONS = (
    """
    ENV LEVEL=1 KEPT=same
    LABEL maker=first shared=both
    WORKDIR /srv
    EXPOSE 8080
    VOLUME /data
    HEALTHCHECK --interval=50s CMD ["true"]
    ENTRYPOINT ["env"]
    CMD ["tail", "-f", "/dev/null"]
    """,
    """
    ENV LEVEL=2 NEWER=yes
    LABEL maker=second
    WORKDIR /opt
    EXPOSE 9090
    VOLUME /data /more
    CMD ["tail", "-f", "/etc/group"]
    """,
    """
    ENV LEVEL=3
    LABEL shared=third
    USER 65534
    STOPSIGNAL SIGINT
    VOLUME /data
    SHELL ["/bin/sh", "-e", "-c"]
    CMD ["tail", "-f", "/etc/passwd"]
    """,
    """
    ENV LEVEL=4 KEPT=other
    LABEL maker=fourth
    WORKDIR /var
    EXPOSE 7070/udp
    VOLUME /data
    HEALTHCHECK --interval=60s --retries=2 CMD ["true", "again"]
    ENTRYPOINT ["env", "NOTHING="]
    CMD ["tail", "-f", "/dev/null"]
    """,
)
#: Where the second one keeps data, and no other.
INHERITED = ("/more",)


class Ground:
    """Containers share what is slow to make: networks, a container to borrow from, images.

    Each test has names of its own, by `mark`, and nothing of it is left but empty volumes.
    """

    def __init__(self, version: Version, rig: Engine, folder: Path) -> None:
        self.version, self.rig = version, rig
        self.engine = DockerEngine(rig.host)
        self.client = rig.client()
        self.mark = ""
        self.images = tuple(self._images(root_of(version) / "bin/busybox", folder))
        self.ids = [str(self.client.images.get(tag).id) for tag in self.images]
        self._common = self._shared()
        self._baselines: dict[str, Json] = {}

    def close(self) -> None:
        self.engine.close()

    @property
    def api(self) -> tuple[int, int]:
        """The version as the code under test has it."""
        return self.engine.info().api_version

    @property
    def words(self) -> dict[str, str]:
        """What the kinds' placeholders stand for."""
        return self._common | {"named": self.name("named"), "name": self.name("web")}

    @contextmanager
    def test(self) -> Iterator[None]:
        """A mark of its own, and all with that mark gone afterwards."""
        self.mark = "t" + uuid.uuid4().hex[:8]
        self.client.volumes.create(self.name("named"), labels={"of": "panel"})
        try:
            yield
        finally:
            for summary in self.client.api.containers(all=True, filters={"name": self.mark}):
                self.engine.remove(summary["Id"], anonymous_volumes=True)

    def name(self, word: str) -> str:
        """Marked."""
        return f"{self.mark}-{word}"

    def create(self, body: Json, word: str = "web", platform: str | None = None) -> Container:
        """A container as its owner's request has it; older engines take one network at first."""
        at_creation = dict((body.get("NetworkingConfig") or {}).get("EndpointsConfig") or {})
        later: list[tuple[str, Json]] = []
        if self.api < (1, 44):
            later = list(at_creation.items())[1:]
            at_creation = dict(list(at_creation.items())[:1])
        if at_creation:
            body = {**body, "NetworkingConfig": {"EndpointsConfig": at_creation}}
        request = CreateRequest(self.name(word), body, platform, connect=tuple(later))
        return self.get(self.engine.create(request))

    def command(self, *words: str) -> None:
        """`docker` in these words, by the client that came with the engine."""
        argv = self.rig.inside("docker", "--host", self.rig.host, *words)
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def get(self, id_or_name: str) -> Container:
        """A container that must be there."""
        found = self.engine.container(id_or_name)
        assert found is not None
        return found

    def folder_of(self, volume: str) -> Path:
        """Where the engine has the files of a volume, by way of which we see them."""
        return self.rig.seen(self.client.volumes.get(volume).attrs["Mountpoint"])

    def successor(self, old: Container, generation: int, forebears: tuple[str, ...]) -> Container:
        """The old one on the image of that generation, with the gate's consent."""
        plan = Clone(
            name=self.name(f"web-{generation}"),
            image=self.images[generation],
            final_name=old.name,
            labels={labels.TARGET: self.mark, labels.FOREBEARS: ",".join(forebears)},
            api_version=self.api,
            compose_image=self.ids[generation],
        )
        request = recreate.create_request(old.inspect, self.baseline(old), plan)
        new = self.get(self.engine.create(request))
        gate = (old.inspect, self.baseline(old), new.inspect, self.baseline(new))
        assert recreate.differences(*gate, late=False) == ()
        return new

    def rebuilt(self, old: Container, generations: Sequence[int] = (1, 2, 3)) -> Container:
        """The last of the successors, with the first one's name; none of them was started."""
        forebears: tuple[str, ...] = ()
        for generation in generations:
            forebears = (*forebears, old.id[:12])
            new = self.successor(old, generation, forebears)
            self.engine.remove(old.id)
            self.engine.rename(new.id, old.name)
            old = self.get(new.id)
        return old

    def baseline(self, container: Container) -> Json:
        """What image and engine supply; probed once for each image and what decides."""
        request = recreate.probe_request(container.inspect, self.name("probe"))
        key = container.image_id + json.dumps(request.body, sort_keys=True)
        if key not in self._baselines:
            id_ = self.engine.create(request)
            self._baselines[key] = self.get(id_).inspect
            self.engine.remove(id_, anonymous_volumes=True)
        return self._baselines[key]

    def forget(self) -> None:
        """What was probed: the engine is configured otherwise now."""
        self._baselines.clear()

    def _images(self, busybox: Path, folder: Path) -> Iterator[str]:
        base = busybox_image(self.client, busybox, "refitd-test/busybox:1")
        for number, lines in enumerate(GENERATIONS):
            context = folder / f"{self.version}-{number}"
            context.mkdir()
            (context / "Dockerfile").write_text(f"FROM {base}\n{lines}")
            tag = f"refitd-test/panel:{number}"
            self.engine.build(BuildRequest(tag, str(context)), lambda _: None, lambda: False)
            yield tag

    def _shared(self) -> dict[str, str]:
        self.mark = "shared"
        friend = {"Image": self.images[0], "HostConfig": {"IpcMode": "shareable"}}
        donor = {"Image": self.images[0], "Volumes": {"/lent": {}}}
        net, other = self.rig.subnet(), self.rig.subnet()
        six = f"fd00:{uuid.uuid4().hex[:4]}::/64"
        ids = {
            "net": self._network("net", net),
            "other": self._network("other", other, six),
        }
        running = self.create(friend, "friend")
        self.engine.start(running.id)
        self.create(donor, "donor")
        return {
            "net": "shared-net",
            "other": "shared-other",
            "net_id": ids["net"],
            "ip": net.replace("0/24", "77"),
            "other_ip": other.replace("0/24", "78"),
            "six": six.replace("/64", "77"),
            "friend": "shared-friend",
            "friend_id": running.id,
            "donor": "shared-donor",
            "folder": str(self.rig.folder),
            "mac": MAC,
            "image": self.images[0],
        }

    def _network(self, word: str, *subnets: str) -> str:
        pools = [IPAMPool(subnet=subnet) for subnet in subnets]
        made: Any = self.client.networks.create(
            self.name(word),
            driver="bridge",
            ipam=IPAMConfig(pool_configs=pools),
            enable_ipv6=len(subnets) > 1,
        )
        return str(made.id)
