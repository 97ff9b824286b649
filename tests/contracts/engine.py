"""What every engine must do, in memory as for real."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Protocol

import pytest

from refitd.core import labels, recreate
from refitd.core.building import BuildLine, BuildRequest
from refitd.core.container import Container, CreateRequest
from refitd.core.recreate import Clone
from refitd.errors import (
    BuildCancelled,
    BuildFailed,
    Conflict,
    EngineRefused,
    NotFound,
)
from refitd.ports import Engine

NOBODY = "f" * 64


class Yard(Protocol):
    """An engine under test, with what it takes to use it beside other tests."""

    engine: Engine
    #: The tag of an image that runs until it is stopped, and declares a volume `/data`.
    image: str
    #: A label value that is this test's alone.
    target: str

    def name(self, word: str) -> str:
        """A name that is this test's alone."""
        ...

    def network(self, word: str) -> str:
        """A new user-defined network; answers its name."""
        ...

    def host_port(self) -> str:
        """A host port that nobody holds."""
        ...

    def good_build(self) -> BuildRequest: ...

    def bad_build(self) -> BuildRequest: ...

    def endless_build(self) -> BuildRequest: ...


class EngineContract:
    """Facts about `ports.Engine`. Subclasses give the fixture `yard`."""

    # -- making and finding ----------------------------------------------------------------

    def test_created_is_not_started(self, yard: Yard) -> None:
        """A created container is there, has never been started, and answers to id and name."""
        id_ = create(yard, "web")
        seen = get(yard, id_)
        assert (seen.state, seen.started_at, seen.name) == ("created", "", yard.name("web"))
        assert yard.engine.container(yard.name("web")) == seen

    def test_found_by_label_and_by_name(self, yard: Yard) -> None:
        """Containers of a target are those with its label, and those with a name asked for."""
        ours = create(yard, "ours", Labels={labels.TARGET: yard.target})
        named = create(yard, "named")
        other = create(yard, "other", Labels={labels.TARGET: yard.target + "-not"})
        found = {each.id for each in yard.engine.containers(yard.target, [yard.name("named")])}
        assert found == {ours, named}
        assert {ours, named, other} <= {each.id for each in yard.engine.everyone()}

    def test_part_of_an_id_is_no_name(self, yard: Yard) -> None:
        """A name that happens to be the beginning of an id finds nothing."""
        id_ = create(yard, "web")
        assert yard.engine.container(id_[:6]) is None
        assert yard.engine.container(yard.name("nobody")) is None

    def test_name_in_use(self, yard: Yard) -> None:
        """Two containers cannot have one name, neither at creation nor by renaming."""
        create(yard, "web")
        other = create(yard, "other")
        with pytest.raises(Conflict):
            create(yard, "web")
        with pytest.raises(Conflict):
            yard.engine.rename(other, yard.name("web"))

    def test_rename(self, yard: Yard) -> None:
        """A renamed container is found by its new name, and the old one is free."""
        id_ = create(yard, "before")
        yard.engine.rename(id_, yard.name("after"))
        assert get(yard, id_).name == yard.name("after")
        create(yard, "before")

    def test_missing_image(self, yard: Yard) -> None:
        """Without its image no container is created."""
        with pytest.raises(NotFound):
            create(yard, "web", Image="refitd-test/no-such-image:1")

    def test_missing_network_leaves_nothing(self, yard: Yard) -> None:
        """Where one of its networks is missing, nothing half-made stays behind."""
        network = yard.network("front")
        body = {"Image": yard.image, "HostConfig": {"NetworkMode": network}}
        request = CreateRequest(yard.name("web"), body, connect=((yard.name("gone"), {}),))
        with pytest.raises(NotFound):
            yard.engine.create(request)
        assert yard.engine.container(yard.name("web")) is None

    def test_remove(self, yard: Yard) -> None:
        """Removal is by force, and fine when there is nothing left to remove."""
        id_ = run(yard, "web")
        yard.engine.remove(id_)
        yard.engine.remove(id_)
        assert yard.engine.container(id_) is None

    def test_nobody_there(self, yard: Yard) -> None:
        """What is done to a container that is not there is refused as such."""
        for act in (yard.engine.start, yard.engine.stop, yard.engine.restart, yard.engine.pause):
            with pytest.raises(NotFound):
                act(NOBODY)
        with pytest.raises(NotFound):
            yard.engine.rename(NOBODY, yard.name("web"))
        with pytest.raises(NotFound):
            yard.engine.set_restart_policy(NOBODY, "no")

    def test_the_engine_s_clock(self, yard: Yard) -> None:
        """The engine tells its time, and a container's start lies between two looks at it."""
        before = moment_of(yard.engine.info().time)
        started_at = moment_of(get(yard, run(yard, "web")).started_at)
        after = moment_of(yard.engine.info().time)
        assert before <= started_at + timedelta(milliseconds=50)
        assert started_at <= after + timedelta(milliseconds=50)
        assert yard.engine.info().product == "Engine"

    # -- running ---------------------------------------------------------------------------

    def test_start_and_stop_twice(self, yard: Yard) -> None:
        """Starting what runs and stopping what does not run change nothing."""
        id_ = create(yard, "web")
        yard.engine.stop(id_)
        yard.engine.start(id_)
        first = get(yard, id_)
        yard.engine.start(id_)
        assert get(yard, id_).started_at == first.started_at != ""
        yard.engine.stop(id_)
        yard.engine.stop(id_)
        assert get(yard, id_).state == "exited"

    def test_restart(self, yard: Yard) -> None:
        """A restart keeps the container and shows in its StartedAt; it starts a stopped one."""
        id_ = run(yard, "web")
        before = get(yard, id_)
        yard.engine.restart(id_)
        after = get(yard, id_)
        assert (after.state, after.restart_count) == ("running", 0)
        assert after.started_at != before.started_at
        yard.engine.stop(id_)
        yard.engine.restart(id_)
        assert get(yard, id_).runs

    def test_pause(self, yard: Yard) -> None:
        """A paused container is no running one, and goes on where it was."""
        id_ = run(yard, "web")
        started_at = get(yard, id_).started_at
        yard.engine.pause(id_)
        assert get(yard, id_).state == "paused"
        with pytest.raises(EngineRefused):
            yard.engine.pause(id_)
        yard.engine.unpause(id_)
        assert get(yard, id_).runs
        assert get(yard, id_).started_at == started_at

    def test_host_port_is_held_by_one(self, yard: Yard) -> None:
        """A host port in use refuses the second start, leaves the first be, and is free again."""
        ports = {"8080/tcp": [{"HostIp": "", "HostPort": yard.host_port()}]}
        first = create(yard, "first", HostConfig={"PortBindings": ports})
        second = create(yard, "second", HostConfig={"PortBindings": ports})
        yard.engine.start(first)
        with pytest.raises(Conflict):
            yard.engine.start(second)
        assert not get(yard, second).runs
        assert get(yard, first).runs
        yard.engine.stop(first)
        third = create(yard, "third", HostConfig={"PortBindings": ports})
        yard.engine.start(third)
        assert get(yard, third).runs

    def test_restart_policy(self, yard: Yard) -> None:
        """A restart policy can be changed on a running container."""
        id_ = run(yard, "web")
        assert get(yard, id_).restart_policy == "no"
        yard.engine.set_restart_policy(id_, "on-failure", 3)
        seen = get(yard, id_)
        assert (seen.restart_policy, seen.restart_retries) == ("on-failure", 3)
        yard.engine.set_restart_policy(id_, "unless-stopped")
        assert get(yard, id_).restart_policy == "unless-stopped"

    # -- networks --------------------------------------------------------------------------

    def test_connect_with_aliases(self, yard: Yard) -> None:
        """Aliases come with a connection; one that is there is not made twice."""
        id_, network = run(yard, "web"), yard.network("front")
        yard.engine.connect(id_, network, {"Aliases": ["panel"]})
        assert "panel" in get(yard, id_).networks[network]
        with pytest.raises(Conflict):
            yard.engine.connect(id_, network, {"Aliases": ["panel"]})

    def test_disconnect_twice(self, yard: Yard) -> None:
        """Disconnecting what is not connected is fine."""
        id_, network = run(yard, "web"), yard.network("front")
        yard.engine.connect(id_, network, {})
        yard.engine.disconnect(id_, network)
        yard.engine.disconnect(id_, network)
        assert network not in get(yard, id_).networks

    def test_unknown_network(self, yard: Yard) -> None:
        """Connecting to a network that is not there is refused as such."""
        with pytest.raises(NotFound):
            yard.engine.connect(run(yard, "web"), yard.name("gone"), {})

    @pytest.mark.parametrize("field", ["NetworkMode", "PidMode"])
    def test_namespace_of_one_that_does_not_run(self, yard: Yard, field: str) -> None:
        """Who lives in another's namespace is started only while that one runs."""
        owner = create(yard, "owner")
        guest = create(yard, "guest", HostConfig={field: f"container:{owner}"})
        with pytest.raises(EngineRefused):
            yard.engine.start(guest)
        yard.engine.start(owner)
        other = create(yard, "other", HostConfig={field: f"container:{owner}"})
        yard.engine.start(other)
        assert get(yard, other).runs

    def test_networks(self, yard: Yard) -> None:
        """Every network is listed by id, name and driver, those that the engine brings too."""
        name = yard.network("front")
        listed = yard.engine.networks()
        (ours,) = (each for each in listed if each.name == name)
        assert (ours.driver, len({each.id for each in listed})) == ("bridge", len(listed))
        drivers = {each.name: each.driver for each in listed}
        assert (drivers["bridge"], drivers["host"], drivers["none"]) == ("bridge", "host", "null")

    # -- images ----------------------------------------------------------------------------

    def test_build(self, yard: Yard) -> None:
        """A build answers the id of an image with the tag and labels asked for, line by line."""
        lines: list[BuildLine] = []
        request = yard.good_build()
        id_ = yard.engine.build(request, lines.append, lambda: False)
        image = yard.engine.image(request.tag)
        assert image is not None
        assert (image.id, image.tags) == (id_, (request.tag,))
        assert request.labels.items() <= image.labels.items()
        steps = [(line.step, line.total) for line in lines if line.step]
        assert steps[0] == (1, steps[-1][1])
        assert steps[-1] == (steps[-1][1], steps[-1][1])

    def test_failed_build(self, yard: Yard) -> None:
        """A build that fails says why, and leaves no image under its tag."""
        request = yard.bad_build()
        with pytest.raises(BuildFailed, match="returned a non-zero code: 3"):
            yard.engine.build(request, lambda _: None, lambda: False)
        assert yard.engine.image(request.tag) is None

    def test_cancelled_build(self, yard: Yard) -> None:
        """A silent build that nobody wants any more ends soon, and leaves no image."""
        request = yard.endless_build()
        answers = iter([False, False])
        with pytest.raises(BuildCancelled):
            yard.engine.build(request, lambda _: None, lambda: next(answers, True))
        assert yard.engine.image(request.tag) is None

    def test_images_newest_first(self, yard: Yard) -> None:
        """Images are found by all of their labels, the newest first."""
        ids = []
        for n in range(2):
            request = yard.good_build()
            own = {**request.labels, "refitd.test": yard.target, "refitd.n": str(n)}
            marked = BuildRequest(request.tag, context=request.context, labels=own, no_cache=True)
            ids.append(yard.engine.build(marked, lambda _: None, lambda: False))
        found = yard.engine.images({"refitd.test": yard.target})
        assert [image.id for image in found] == ids[::-1]
        only = yard.engine.images({"refitd.test": yard.target, "refitd.n": "0"})
        assert [image.id for image in only] == ids[:1]

    def test_tag_moves(self, yard: Yard) -> None:
        """A tag points to one image, and can be pointed to another."""
        first = yard.engine.build(yard.good_build(), lambda _: None, lambda: False)
        request = yard.good_build()
        again = BuildRequest(request.tag, context=request.context, labels={"again": yard.target})
        second = yard.engine.build(again, lambda _: None, lambda: False)
        moving = yard.name("moving") + ":latest"
        for id_ in (first, second):
            yard.engine.tag(id_, moving)
            image = yard.engine.image(moving)
            assert image is not None
            assert image.id == id_
        with pytest.raises(NotFound):
            yard.engine.tag("sha256:" + "0" * 64, moving)

    def test_image_in_use_stays(self, yard: Yard) -> None:
        """An image that a container was made of is not removed; its spare tags are."""
        request = yard.good_build()
        id_ = yard.engine.build(request, lambda _: None, lambda: False)
        spare = yard.name("spare") + ":1"
        yard.engine.tag(id_, spare)
        container = create(yard, "web", Image=request.tag)
        assert yard.engine.remove_image(spare)
        assert not yard.engine.remove_image(id_)
        assert yard.engine.image(id_) is not None
        yard.engine.remove(container)
        assert yard.engine.remove_image(request.tag)
        assert not yard.engine.remove_image(request.tag)
        assert yard.engine.image(id_) is None

    # -- the whole way ---------------------------------------------------------------------

    def test_clone_passes_the_gate(self, yard: Yard) -> None:
        """Probe, successor and gate work on what this engine shows: nothing differs."""
        network = yard.network("front")
        id_ = create(
            yard,
            "web",
            Env=["LEVEL=3", "REPLACING_CONTAINER=x"],
            Labels={"owner": "us"},
            HostConfig={"NetworkMode": network, "RestartPolicy": {"Name": "always"}},
            NetworkingConfig={"EndpointsConfig": {network: {"Aliases": ["panel"]}}},
        )
        yard.engine.start(id_)
        old, baseline = get(yard, id_), probe(yard, id_)
        plan = Clone(yard.name("next"), yard.image, yard.name("web"), forebears=(old.id,))
        new = get(
            yard, yard.engine.create(recreate.create_request(old.inspect, baseline.inspect, plan))
        )
        gate = (old.inspect, baseline.inspect, new.inspect, baseline.inspect)
        assert recreate.differences(*gate) == ()
        assert "panel" in new.networks[network]
        assert volumes(new) == volumes(old) != {}


def moment_of(text: str) -> datetime:
    """A time of the engine's."""
    return datetime.fromisoformat(text)


def create(yard: Yard, word: str, **body: Any) -> str:
    """A container of the yard's image, or of what `body` says."""
    return yard.engine.create(CreateRequest(yard.name(word), {"Image": yard.image, **body}))


def run(yard: Yard, word: str, **body: Any) -> str:
    """The same, started."""
    id_ = create(yard, word, **body)
    yard.engine.start(id_)
    return id_


def get(yard: Yard, id_: str) -> Container:
    """A container that must be there."""
    found = yard.engine.container(id_)
    assert found is not None
    return found


def probe(yard: Yard, id_: str) -> Container:
    """The baseline of a container, whose probe is gone again."""
    request = recreate.probe_request(get(yard, id_).inspect, yard.name("probe"))
    made = yard.engine.create(request)
    try:
        return get(yard, made)
    finally:
        yard.engine.remove(made, anonymous_volumes=True)


def volumes(container: Container) -> dict[str, str]:
    """Destination to volume name."""
    mounts: Iterator[Any] = iter(container.inspect.get("Mounts") or ())
    return {mount["Destination"]: mount["Name"] for mount in mounts if mount["Type"] == "volume"}


__all__ = ["EngineContract", "Yard", "create", "get", "probe", "run", "volumes"]
