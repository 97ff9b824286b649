"""A port that an engine keeps for nobody.

An engine 20.10 that is killed in the midst of a start of a container with a published port finds
half of that start when it is started again. It gives the port to what is left of the network's end
of that container, throws that away, and forgets the port. From then on it refuses it to all: to the
container that was to start, to others and to one made anew, on whatever network they are, also when
the first is disconnected or removed. It gives it back when it is started once more.
"""

from __future__ import annotations

from contextlib import suppress

from docker.errors import APIError

from rig.dockerd import Dockerd
from tests.acceptance.panel import Panel

#: The newest that is known to.
KEEPS = (20, 10)


def may_keep(panel: Panel) -> bool:
    """Whether the engine is one that is known to."""
    version = str(panel.client.version()["Version"])
    return tuple(int(part) for part in version.split(".")[:2]) <= KEEPS


def is_kept(panel: Panel) -> bool:
    """Whether such an engine refuses the panel's port, though no container has it."""
    return (
        panel.published
        and may_keep(panel)
        and not _is_published(panel)
        and _is_refused(panel)
        and not _is_published(panel)  # nor did anybody come in between
    )


def give_back(dockerd: Dockerd) -> None:
    """What an operator does about it: the engine is stopped, and started again."""
    dockerd.child.stop()
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
        with suppress(APIError):
            probe.remove(force=True)
    return False
