"""What the demo makes on an engine, marked by one label, and taken away by it.

Images hand their labels on to all that is made from them, half-built ones and their containers
included: so whatever descends from one labelled base is known, on an engine that others use too.
"""

from collections.abc import Iterable
from contextlib import suppress
from io import BytesIO

import docker
from docker.errors import APIError, NotFound
from docker.models.images import Image

LABEL = "org.example.refitd-demo"


def labelled(client: docker.DockerClient, base: str, name: str) -> str:
    """An image like `base`, from which all images of this demo descend; returns its tag."""
    tag = f"refitd-demo/{name}:base"
    recipe = f'FROM {base}\nLABEL {LABEL}="{name}"\n'
    client.images.build(fileobj=BytesIO(recipe.encode()), tag=tag, rm=True)
    return tag


def descendants(client: docker.DockerClient, name: str) -> None:
    """Removes all containers, networks and images of this demo."""
    ours: dict[str, str | list[str] | bool] = {"label": f"{LABEL}={name}"}
    for container in client.containers.list(all=True, filters=ours, ignore_removed=True):
        with suppress(NotFound):
            container.remove(force=True, v=True)
    for network in client.networks.list(filters=ours):
        with suppress(NotFound):
            network.remove()
    # An image goes after those made from it; the engine itself takes its nameless parents along.
    while _removed_any(client, client.images.list(all=True, filters=ours)):
        pass


def images(client: docker.DockerClient, tags: Iterable[str]) -> None:
    """Removes these images, or their names where others need them."""
    for tag in tags:
        with suppress(APIError):
            client.images.remove(tag)


def _removed_any(client: docker.DockerClient, found: Iterable[Image]) -> bool:
    removed = False
    for image in found:
        with suppress(APIError):
            client.images.remove(str(image.id), force=True)
            removed = True
    return removed
