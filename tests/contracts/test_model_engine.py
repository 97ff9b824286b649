"""The model engine keeps the contract, and does what a test scripts it to do."""

from __future__ import annotations

import threading
from itertools import count

import pytest

from refitd.core.building import BuildRequest
from refitd.core.container import CreateRequest
from refitd.errors import BuildFailed, Conflict, EngineUnavailable
from tests.contracts.engine import EngineContract
from tests.contracts.model_engine import Behaviour, Build, ModelEngine


class ModelYard:
    """The model, and builds scripted by what they are asked to be."""

    target = "backend"

    def __init__(self) -> None:
        self.engine = ModelEngine()
        self.image = "panel:1"
        self.engine.add_image(self.image, Volumes={"/data": {}}, Env=["LEVEL=1"])
        self._ports, self._tags = count(18000), count(1)

    def name(self, word: str) -> str:
        """Nobody else is here."""
        return word

    def network(self, word: str) -> str:
        """A network."""
        self.engine.add_network(word)
        return word

    def host_port(self) -> str:
        """A port."""
        return str(next(self._ports))

    def good_build(self) -> BuildRequest:
        """No script: it succeeds."""
        return BuildRequest(f"built:{next(self._tags)}", context="/good", labels={"made": "here"})

    def bad_build(self) -> BuildRequest:
        """Its last step fails."""
        self.engine.script_builds(Build(error="The command 'x' returned a non-zero code: 3"))
        return BuildRequest("built:bad", context="/bad")

    def endless_build(self) -> BuildRequest:
        """It never ends by itself."""
        self.engine.script_builds(Build(until=threading.Event()))
        return BuildRequest("built:endless", context="/endless")


class TestModelEngine(EngineContract):
    """The contract, in memory."""

    @pytest.fixture
    def yard(self) -> ModelYard:
        """A fresh model."""
        return ModelYard()


@pytest.fixture
def model() -> ModelEngine:
    """A model with one image that is healthy after five seconds."""
    model = ModelEngine()
    model.add_image("panel:1", behaviour=Behaviour("healthy", 5))
    return model


def test_health_comes_with_time(model: ModelEngine) -> None:
    """A container is `starting` until its time is over, and only the clock brings that about."""
    web = model.run("web", "panel:1")
    assert web.health == "starting"
    model.advance(5)
    assert _health(model, "web") == "healthy"


def test_behaviour_is_read_at_each_start(model: ModelEngine) -> None:
    """A start takes the behaviour that the table has then."""
    model.run("web", "panel:1")
    model.behaves["panel:1"] = Behaviour("unhealthy")
    assert _health(model, "web") == "starting"
    model.restart("web")
    assert _health(model, "web") == "unhealthy"


def test_an_end_is_final_without_a_policy(model: ModelEngine) -> None:
    """A process that ends stays ended, with its exit code."""
    model.behaves["panel:1"] = Behaviour("exits", 2, exit_code=7)
    model.run("web", "panel:1")
    model.advance(2)
    web = model.container("web")
    assert web is not None
    assert (web.state, web.exit_code) == ("exited", 7)


def test_a_policy_starts_it_again_and_again(model: ModelEngine) -> None:
    """With a restart policy it loops, and the count grows."""
    model.behaves["panel:1"] = Behaviour("loops", 1)
    model.run("web", "panel:1", HostConfig={"RestartPolicy": {"Name": "always"}})
    model.advance(3)
    web = model.container("web")
    assert web is not None
    assert web.state == "restarting"
    assert web.restart_count == 3


def test_reboot_follows_the_policies(model: ModelEngine) -> None:
    """`no` stays down, `always` comes up even when stopped by hand, `unless-stopped` does not."""
    for policy in ("no", "always", "unless-stopped"):
        for stopped in (False, True):
            name = f"{policy} {stopped}"
            model.run(name, "panel:1", HostConfig={"RestartPolicy": {"Name": policy}})
            if stopped:
                model.stop(name)
    model.reboot()
    up = {each.name for each in model.everyone() if each.runs}
    assert up == {"always False", "always True", "unless-stopped False"}


def test_dns_answers_with_all_who_bear_a_name(model: ModelEngine) -> None:
    """Names and aliases of running containers are answered, those of others are not."""
    model.add_network("front")
    endpoint = {"EndpointsConfig": {"front": {"Aliases": ["panel"]}}}
    host = {"NetworkMode": "front"}
    for name in ("one", "two", "off"):
        model.run(name, "panel:1", HostConfig=host, NetworkingConfig=endpoint)
    model.stop("off")
    assert model.answering("front", "panel") == ("one", "two")
    assert model.answering("front", "one") == ("one",)
    model.disconnect("one", "front")
    assert model.answering("front", "panel") == ("two",)


def test_a_call_fails_before_or_after_its_work(model: ModelEngine) -> None:
    """An answer that is lost leaves the work done; the failure comes once."""
    model.fail("create", "before")
    with pytest.raises(EngineUnavailable):
        model.create(CreateRequest("web", {"Image": "panel:1"}))
    assert model.container("web") is None
    model.fail("create", "after")
    with pytest.raises(EngineUnavailable):
        model.create(CreateRequest("web", {"Image": "panel:1"}))
    assert model.container("web") is not None
    model.fail("start", error=Conflict("port is already allocated"), skip=1)
    model.start("web")
    with pytest.raises(Conflict):
        model.start("web")


def test_calls_are_on_record(model: ModelEngine) -> None:
    """What changes something is logged, by name; what only looks is not."""
    web = model.run("web", "panel:1")
    model.everyone()
    model.rename(web.id, "old")
    model.stop(web.id)
    assert model.calls[-4:] == [
        ("create", "web"),
        ("start", "web"),
        ("rename", "web", "old"),
        ("stop", "old"),
    ]


def test_builds_follow_their_script(model: ModelEngine) -> None:
    """A script decides lines, failure and what the image does; then builds succeed again."""
    model.script_builds(Build(error="no"), Build(behaviour=Behaviour("unhealthy")))
    with pytest.raises(BuildFailed, match="no"):
        model.build(BuildRequest("x:1", context="/x"), lambda _: None, lambda: False)
    model.build(BuildRequest("x:1", context="/x"), lambda _: None, lambda: False)
    model.run("web", "x:1")
    assert _health(model, "web") == "unhealthy"
    assert [request.tag for request in model.requests] == ["x:1", "x:1"]


def _health(model: ModelEngine, name: str) -> str:
    found = model.container(name)
    assert found is not None
    return found.health
