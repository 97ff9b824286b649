"""Real containers, three generations on: what their owner asked for, on what the image supplies.

The proof is a container made afresh, of the newest image and in the owner's very words: after
three generations the clone must look like that one in every field, and still have its data. The
first is started and so is the last, with two in between that exist only to be copied.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, ClassVar

import pytest

from refitd.core.container import Container, Json
from rig.other_engines import Version
from rig.ports import free_port
from tests.adapters.docker.clones.api_kinds import KINDS, filled
from tests.adapters.docker.clones.composed import Composed
from tests.adapters.docker.clones.ground import INHERITED, Ground
from tests.adapters.docker.clones.likeness import unlike, volume_of
from tests.adapters.docker.clones.run_kinds import RUNS

#: Makes a container of an image, and does not start it unless it is said so.
Make = Callable[[str, bool], Container]


@pytest.mark.engine
class Generations:
    """Facts about containers of one engine; a subclass says of which. Each kind is made that the
    engine knows the options of.
    """

    version: ClassVar[Version]

    def test_made_through_the_api(self, ground: Ground, api_kind: str) -> None:
        """After three rebuilds a container is as its owner's request makes it of the newest image,
        and what was in its volumes is still there.
        """
        kind = KINDS[api_kind]
        # Engines fill in fewer defaults where the request has no HostConfig at all.
        words = _words(ground)
        (ground.folder_of(ground.name("named")) / "part").mkdir()

        def make(image: str, starts: bool) -> Container:  # noqa: FBT001 - see Make
            # A network by its id is by its name in a clone: it may be made anew.
            meant = words if image == ground.images[0] else words | {"net_id": words["net"]}
            body = {"Image": image, "HostConfig": {}} | filled(kind.body, meant)
            made = ground.create(body)
            if starts:
                ground.engine.start(made.id)
            return ground.get(made.id)

        _survives(ground, make, starts=kind.starts)

    def test_made_by_docker_run(self, ground: Ground, run_kind: str) -> None:
        """The same in the words of the engine's own client."""
        kind = RUNS[run_kind]
        options, command = filled([list(kind.options), list(kind.command)], _words(ground))

        def make(image: str, starts: bool) -> Container:  # noqa: FBT001 - see Make
            how = ["run", "--detach"] if starts else ["create"]
            ground.command(*how, "--name", ground.name("web"), *options, image, *command)
            return ground.get(ground.name("web"))

        _survives(ground, make, starts=kind.starts, leave=_ATTACHED)

    def test_made_by_compose(self, ground: Ground, tmp_path: Path) -> None:
        """The same for all services of a project, in the words of compose: its own labels, too,
        are those that it would write now.
        """
        composed = Composed(ground, tmp_path, _words(ground))
        fresh = composed.created_of(ground.images[3])
        composed.take_away()
        first = composed.started_of(ground.images[0])
        last: dict[str, Container] = {}
        for service, container in first.items():
            _write(ground, container)
            last[service] = ground.rebuilt(container)
        found = {each: unlike(last[each], fresh[each], INHERITED) for each in fresh}
        assert {each: paths for each, paths in found.items() if paths} == {}
        for service, container in first.items():
            _is_whole(ground, container, last[service], starts=True)


#: Of a container that it does not start the client says that it will be looked at.
_ATTACHED = ("Config.AttachStdin", "Config.AttachStdout", "Config.AttachStderr", "Config.StdinOnce")


def _survives(ground: Ground, make: Make, *, starts: bool, leave: Collection[str] = ()) -> None:
    first = make(ground.images[0], starts)
    _write(ground, first)
    last = ground.rebuilt(first)
    ground.engine.rename(last.id, ground.name("web-last"))
    fresh = make(ground.images[3], False)  # noqa: FBT003 - see Make
    found = unlike(last, fresh, INHERITED)
    assert {path: both for path, both in found.items() if path not in leave} == {}
    _is_whole(ground, first, last, starts=starts)


def _words(ground: Ground) -> dict[str, str]:
    return ground.words | {"port": str(free_port())}


def _write(ground: Ground, container: Container) -> None:
    for mount in _volumes(container):
        _note(ground, mount).write_text(mount["Destination"])


def _is_whole(ground: Ground, first: Container, last: Container, *, starts: bool) -> None:
    """Its volumes are the same ones; the engine starts it, and they have what was written."""
    now = {mount["Destination"]: volume_of(mount) for mount in _volumes(last)}
    then = {mount["Destination"]: volume_of(mount) for mount in _volumes(first)}
    assert now.items() >= then.items()
    if starts:
        ground.engine.start(last.id)
        seen = ground.get(last.id)
        assert (seen.state, seen.inspect["RestartCount"]) == ("running", 0)
    for mount in _volumes(first):
        assert _note(ground, mount).read_text() == mount["Destination"]


def _note(ground: Ground, mount: Json) -> Path:
    return ground.folder_of(volume_of(mount)) / f"note{mount['Destination'].replace('/', '-')}"


def _volumes(container: Container) -> list[dict[str, Any]]:
    return [mount for mount in container.inspect["Mounts"] if mount["Type"] == "volume"]
