"""A port that an engine keeps for nobody.

An engine 20.10 that is killed in the midst of a start of a container with a published port finds
half of that start when it is started again. It gives the port to what is left of the network's end
of that container, throws that away, and forgets the port. From then on it refuses it to all: to the
container that was to start, to others and to one made anew, on whatever network they are, also when
the first is disconnected or removed. It gives it back when it is started once more.
"""

from __future__ import annotations

from docker.errors import APIError

from rig.dockerd import Dockerd
from tests.acceptance.panel import Panel


def is_kept(panel: Panel) -> bool:
    """Whether the engine refuses the panel's port, though no container has it."""
    return panel.published and not _is_published(panel) and _is_refused(panel)


def give_back(dockerd: Dockerd) -> None:
    """What an operator does about it."""
    dockerd.kill()
    dockerd.start()


def _is_published(panel: Panel) -> bool:
    running = panel.client.containers.list(ignore_removed=True)
    return any(
        binding["HostPort"] == str(panel.port)
        for container in running
        for bindings in container.ports.values()
        for binding in bindings or ()
    )


def _is_refused(panel: Panel) -> bool:
    """To a container that has nothing to do with refitd."""
    probe = panel.client.containers.create(
        panel.base_image, ["true"], ports={"8080/tcp": ("127.0.0.1", panel.port)}
    )
    try:
        probe.start()
    except APIError as refusal:
        return "port is already allocated" in str(refusal)
    finally:
        probe.remove(force=True)
    return False
