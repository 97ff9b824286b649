"""What there was before refitd: an image built by hand, and containers run by hand from it."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
from docker.models.containers import Container

import sweep
from database import Database
from rig.missing import MissingPart
from rig.ports import free_port
from scenes import AT_FIRST
from target import Target

PORT = 8080
HEALTHY_S = 60.0


@dataclass(frozen=True)
class ByHand:
    """An operator's hands. `gateway` is where containers find the database."""

    client: docker.DockerClient
    database: Database
    demo: str
    base: str
    gateway: str

    def first_image(self, remote: str) -> str:
        """Build the backend as it was first; returns the image's id."""
        arguments = {"BASE": self.base, "MODULES": ",".join(AT_FIRST)}
        image, _ = self.client.images.build(path=remote, buildargs=arguments, rm=True)
        return str(image.id)

    def direct(self, image: str) -> Target:
        """A backend that publishes its port on this machine."""
        target = self._target(self.demo, "public")
        self._run(target, image, ports={f"{PORT}/tcp": _address(target)})
        return target

    def proxied(self, image: str) -> Target:
        """A backend on a network of its own, and the proxy in front of it."""
        target = self._target(f"{self.demo}-proxied", "shop", concurrent=True)
        labels = {sweep.LABEL: self.demo}
        network = self.client.networks.create(target.name, labels=labels).name
        proxy = (Path(__file__).parent / "proxy.py").read_text()
        self.client.containers.run(
            self.base,
            ["python3", "-c", proxy, str(PORT), f"{target.container}:{PORT}"],
            name=f"{target.name}-proxy",
            detach=True,
            network=network,
            ports={f"{PORT}/tcp": _address(target)},
        )
        self._run(target, image, network=network)
        return target

    def _target(self, name: str, schema: str, *, concurrent: bool = False) -> Target:
        panel = self.database.panel(name, schema)
        for id_ in AT_FIRST:
            panel.install(id_)
        return Target(name, f"http://127.0.0.1:{free_port()}", panel, concurrent)

    def _run(self, target: Target, image: str, **how: Any) -> None:
        self.client.images.get(image).tag(target.image)
        container = self.client.containers.run(
            target.image,
            name=target.container,
            detach=True,
            environment={
                "DATABASE_URL": self.database.dsn("backend", host=self.gateway),
                "MODULES_TABLE": ".".join(target.panel.table),
                "CONTAINER_NAME": target.container,
            },
            **how | {"restart_policy": {"Name": "unless-stopped"}},
        )
        _wait_until_healthy(container)
        target.last_good = target.running()


def _address(target: Target) -> tuple[str, int]:
    host, _, port = target.url.removeprefix("http://").partition(":")
    return host, int(port)


def _wait_until_healthy(container: Container) -> None:
    deadline_s = time.monotonic() + HEALTHY_S
    while container.health != "healthy":
        if time.monotonic() > deadline_s or container.status == "exited":
            words = container.logs(tail=15).decode(errors="replace")
            raise MissingPart(f"the first container did not get healthy:\n{words}")
        time.sleep(0.1)
        container.reload()
