"""Real containers, three generations on: what their owner asked for, on what the image supplies.

The proof is a container made afresh, of the newest image and the owner's very request: after
three generations the clone must look like that one, and still have its data.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from refitd.adapters.docker_engine import DockerEngine
from refitd.core import labels, recreate
from refitd.core.building import BuildRequest
from refitd.core.container import Container, CreateRequest
from refitd.core.recreate import Clone
from rig.engine import Engine
from tests.adapters.docker.conftest import DockerYard
from tests.adapters.docker.containers import PANEL, dockerfile
from tests.adapters.docker.kinds import KINDS, UNSTARTED, everything, filled
from tests.contracts.engine import get, probe

#: What each later image supplies otherwise.
_LATER = (
    (
        "ENV LEVEL=2 NEWER=yes",
        "LABEL maker=second",
        "WORKDIR /opt",
        "EXPOSE 9090",
        "VOLUME /data /more",
    ),
    ("ENV LEVEL=3", "LABEL shared=third", "USER 65534", "STOPSIGNAL SIGTERM", "VOLUME /data"),
    (
        "ENV LEVEL=4 KEPT=other",
        "VOLUME /data",
        'HEALTHCHECK --interval=60s --retries=2 CMD ["true"]',
        'ENTRYPOINT ["env", "NOTHING="]',
    ),
)


@pytest.fixture(scope="module")
def images(
    adapter: DockerEngine, base_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[str]]:
    """Four generations of an image."""
    tags: list[str] = []
    for lines in (PANEL, *_LATER):
        folder = tmp_path_factory.mktemp("generation")
        # An ENTRYPOINT of one's own takes the CMD away that came before it: both are last here.
        (folder / "Dockerfile").write_text(dockerfile(base_image, *lines))
        tags.append(f"refitd-test-{uuid.uuid4().hex[:8]}:1")
        adapter.build(BuildRequest(tags[-1], context=str(folder)), lambda _: None, lambda: False)
    yield tags
    for tag in tags:
        adapter.remove_image(tag)


@pytest.fixture
def words(
    yard: DockerYard, engine: Engine, docker_client: docker.DockerClient, tmp_path: Path
) -> dict[str, str]:
    """What the kinds' placeholders stand for."""
    subnet = engine.subnet()
    network = yard.network("net", subnet)
    friend = yard.engine.create(CreateRequest(yard.name("friend"), _friend(yard)))
    yard.engine.start(friend)
    docker_client.volumes.create(yard.name("named"))
    return {
        "net": network,
        "ip": subnet.rpartition(".")[0] + ".77",
        "friend": friend,
        "named": yard.name("named"),
        "folder": str(tmp_path),
        "port": yard.host_port(),
    }


@pytest.mark.parametrize("kind", [*KINDS, "everything"])
def test_three_generations(
    yard: DockerYard, images: list[str], words: dict[str, str], kind: str
) -> None:
    """After three rebuilds a container is as its owner's request makes it of the newest image,
    and what it wrote into its volumes is still there.
    """
    body = filled(KINDS[kind] if kind in KINDS else everything(), words)
    first = _first(yard, images[0], body)
    yard.engine.start(first.id)
    assert yard.engine.run_command(first.id, ["sh", "-c", "echo kept > /data/note"], 5)[0] == 0
    last = _rebuilt(yard, first, images[1:], starts=True)
    _is_as_asked(yard, last, images[-1], body)
    assert yard.engine.run_command(last.id, ["cat", "/data/note"], 5) == (0, "kept")


@pytest.mark.parametrize("kind", list(UNSTARTED))
def test_three_generations_of_the_unstarted(
    yard: DockerYard, images: list[str], words: dict[str, str], kind: str
) -> None:
    """The same for containers that this machine may not be able to start."""
    body = filled(UNSTARTED[kind], words)
    last = _rebuilt(yard, _first(yard, images[0], body), images[1:], starts=False)
    _is_as_asked(yard, last, images[-1], body)


def _is_as_asked(yard: DockerYard, last: Container, image: str, body: dict[str, Any]) -> None:
    # Engines fill in fewer defaults where the request has no HostConfig at all.
    fresh = _first(yard, image, {"HostConfig": {}, **body}, "fresh")
    have, want = _likeness(last), _likeness(fresh)
    paths = sorted(path for path in have | want if have.get(path) != want.get(path))
    assert {path: (have.get(path), want.get(path)) for path in paths} == {}
    assert _destinations(last) >= _destinations(fresh)


def _rebuilt(yard: DockerYard, old: Container, images: list[str], *, starts: bool) -> Container:
    forebears: tuple[str, ...] = ()
    for generation, image in enumerate(images, 1):
        forebears = (*forebears, old.id)
        new = _next(yard, old, image, forebears, generation)
        yard.engine.remove(old.id)
        if starts and image == images[-1]:
            yard.engine.start(new.id)
        yard.engine.rename(new.id, old.name)
        old = get(yard, new.id)
    return old


def _first(yard: DockerYard, image: str, body: dict[str, Any], word: str = "web") -> Container:
    request = CreateRequest(yard.name(word), {"Image": image, **body})
    return get(yard, yard.engine.create(request))


def _next(
    yard: DockerYard, old: Container, image: str, forebears: tuple[str, ...], generation: int
) -> Container:
    """A successor that has passed the gate."""
    plan = Clone(
        name=yard.name(f"web-{generation}"),
        image=image,
        final_name=old.name,
        labels={labels.TARGET: yard.target, labels.FOREBEARS: ",".join(forebears)},
        api_version=yard.engine.info().api_version,
        forebears=forebears,
    )
    baseline = probe(yard, old.id)
    id_ = yard.engine.create(recreate.create_request(old.inspect, baseline.inspect, plan))
    new = get(yard, id_)
    gate = (old.inspect, baseline.inspect, new.inspect, probe(yard, id_).inspect)
    assert recreate.differences(*gate, late=False) == ()
    return new


def _likeness(container: Container) -> dict[str, Any]:
    """All that was asked for or supplied; not who it is, where it lives and how it fares."""
    raw = container.inspect
    config, host = dict(raw["Config"]), dict(raw["HostConfig"])
    names = {container.id[:12], config["Hostname"]}
    borrowed = host["NetworkMode"].startswith("container:")
    if config["Hostname"] == container.id[:12] or borrowed:  # a started one shows its owner's
        config["Hostname"] = None
    config |= {"Env": sorted(config["Env"]), "Labels": _theirs(config["Labels"]), "Image": None}
    anonymous = {mount["Destination"] for mount in raw["Mounts"] if _made_up(mount.get("Name"))}
    mounts = [mount for mount in host.get("Mounts") or () if mount["Target"] not in anonymous]
    host["Links"] = [link.replace(container.name, "self") for link in host["Links"] or ()]
    host |= {"Mounts": mounts, "Binds": [_bind(bind) for bind in host.get("Binds") or ()]}
    flat = {f"Config.{key}": value for key, value in config.items()}
    flat |= {f"HostConfig.{key}": value for key, value in host.items()}
    for network, endpoint in raw["NetworkSettings"]["Networks"].items():
        flat |= {f"{network}.{key}": endpoint[key] for key in ("IPAMConfig", "Links")}
        flat[f"{network}.Aliases"] = sorted(set(endpoint["Aliases"] or ()) - names)
    return {path: value or None for path, value in flat.items()}


def _theirs(all_labels: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in all_labels.items() if not key.startswith(labels.PREFIX)}


def _bind(bind: str) -> str:
    """An anonymous volume is a path to its owner, and by name in a clone."""
    source, _, rest = bind.partition(":")
    return rest if _made_up(source) else bind


def _destinations(container: Container) -> set[str]:
    return {mount["Destination"] for mount in container.inspect["Mounts"]}


def _made_up(volume: str | None) -> bool:
    return volume is not None and len(volume) == 64


def _friend(yard: DockerYard) -> dict[str, Any]:
    return {"Image": yard.image, "HostConfig": {"IpcMode": "shareable"}}
