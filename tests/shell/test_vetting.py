"""What stands against a replacement, or should be known, is found before anything is touched."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from refitd.core import labels
from refitd.core.clone.residence import Server
from refitd.core.report import PlanView
from refitd.shell.cloner import Cloner
from refitd.shell.foresight import plan
from tests.contracts.model_engine import Behaviour, Build
from tests.shell.fakes import Killed
from tests.shell.house import BILLING, CRM, MAIL, NAME, TARGET, House
from tests.shell.test_by_hand import when
from tests.shell.test_crash import bare_swap

TOKEN = "hunter2"


def foresee(house: House, own_id: str | None = None) -> PlanView:
    """`refitd plan`."""
    cloner = Cloner(house.engine, house.target, "plan", mark="7")
    return plan(house.target, house.engine, house.git, house.journal, cloner, own_id)


def with_mail(house: House) -> House:
    """A rebuild is due."""
    house.settle()
    house.write(BILLING, CRM, MAIL)
    return house


def check_refused(house: House, words: str) -> None:
    """By plan and by the daemon, in the row, before a build; and nothing was touched."""
    assert any(words in each for each in foresee(house).refusals)
    before = house.all_names()
    house.settle()
    (ended,) = house.deployments
    assert ended.state == "failed"
    assert words in (ended.error or "")
    assert house.engine.requests == []
    assert house.all_names() == before
    assert house.serving() == house.first


def test_own_files_are_said() -> None:
    """Files in its own layer are a warning in the plan and in the log; the replacement goes on."""
    house = with_mail(House())
    house.engine.files["api"] = ("/app", "/app/upload.bin")

    assert any("/app/upload.bin" in each for each in foresee(house).warnings)
    house.settle()
    assert house.ends == [("rebuild", "succeeded")]
    (said,) = house.log.facts("replacement.warned")
    assert "/app/upload.bin" in str(said["warnings"])


def test_own_files_are_refused() -> None:
    """Where the settings say so, they stand against it."""
    house = with_mail(House(replace(TARGET, own_files="refuse")))
    house.engine.files["api"] = ("/app", "/app/upload.bin")

    check_refused(house, "/app/upload.bin; keep them in a volume")


def test_a_network_that_is_gone() -> None:
    """A network that does not exist any more is named, with the way out."""
    house = with_mail(House(host={"NetworkMode": "web"}))
    house.engine.remove_network("web")

    check_refused(house, "its network web does not exist any more: `docker network create web`")


def test_postgres_in_it() -> None:
    """A target by whose address Postgres is reached would take it away with itself."""
    house = with_mail(House())
    address = house.first.inspect["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
    house.database.server = Server(address, 5432, "127.0.0.1", address, 5432)

    check_refused(house, "Postgres is in it, or in its network namespace")


def test_two_that_match() -> None:
    """What refitd once made for the target runs, too, and no row speaks of it."""
    house = with_mail(House())
    marks = {
        labels.TARGET: NAME,
        labels.FINAL_NAME: "api",
        labels.ROLE: labels.SUCCESSOR,
        labels.DEPLOYMENT: "1",
    }
    house.engine.run("api-of-old", "api:latest", Labels=marks)

    check_refused(house, "container api-of-old runs, too")


def test_an_id_for_a_name() -> None:
    """Settings with the container's id instead of its name: the plan and the daemon name what to
    write, and neither adopts, builds or replaces anything; written so, the change is acted on."""
    house = House()
    house.write(BILLING, CRM, MAIL)
    house.target = replace(TARGET, container=house.first.id[:12])
    house.new_daemon()
    assert 'container = "api"' in foresee(house).reason
    house.settle()
    assert 'container = "api"' in (house.database.problems[NAME] or "")
    assert (house.deployments, house.engine.requests) == ([], [])
    assert house.database.records == {}
    assert house.all_names() == ["api"]
    house.target = TARGET
    house.new_daemon()
    house.settle()
    assert house.ends == [("rebuild", "succeeded")]
    assert house.serving().name == "api"


def test_the_gate_beforehand() -> None:
    """The plan makes a likeness and compares it; what would differ is named, no value is, and
    nothing is left."""
    house = House(Env=[f"TOKEN={TOKEN}"])
    with_mail(house)
    before = house.all_names()
    assert foresee(house).gate == ()
    create = house.engine.create

    def forgets(request: Any) -> str:
        """An engine that cannot take an environment."""
        kept = {key: value for key, value in request.body.items() if key != "Env"}
        return create(replace(request, body=kept))

    house.engine.create = forgets  # type: ignore[method-assign]
    view = foresee(house)
    assert view.gate == ("Config.Env.TOKEN",)
    assert "would differ from the old one in Config.Env.TOKEN" in view.refusals[0]
    assert TOKEN not in str(view)
    assert house.all_names() == before
    house.settle()
    (ended,) = house.deployments
    assert ended.state == "rolled_back"
    assert "Config.Env.TOKEN" in (ended.error or "")
    assert TOKEN not in str(ended) + str(house.log.said)
    assert house.serving() == house.first


def test_a_trial_that_fails_in_the_middle() -> None:
    """A likeness that the engine would not make is said, and nothing is left of the attempt."""
    house = with_mail(House())
    before = house.all_names()
    house.engine.fail("create", "after", skip=1)
    with pytest.raises(Exception, match="got no answer"):
        foresee(house)
    assert house.all_names() == before


def test_one_that_falls_over_again_and_again() -> None:
    """It has no good old one to go back to: where the new one is not proven either, it is as it
    was, and nobody claims that it serves."""
    house = House(replace(TARGET, canary=False))
    house.settle()
    house.engine.behaves[house.first.image_id] = Behaviour("loops", 1.0)
    house.engine.restart("api")
    house.clock.sleep(3.0)
    assert house.serving().state == "restarting"
    house.write(BILLING, CRM, MAIL)
    house.engine.script_builds(*[Build(behaviour=Behaviour("unhealthy", 1.0))] * 3)
    assert any("nothing good to go back to" in each for each in foresee(house).warnings)
    house.settle()

    (ended,) = house.deployments
    assert ended.state == "failed"
    assert "nothing good to go back to" in (ended.error or "")
    assert house.serving().id == house.first.id
    assert house.serving().restart_policy == "always"


def test_plan_after_a_death_of_the_engine() -> None:
    """Who went down with the engine is given the benefit of the doubt there, too."""
    house = bare_swap()

    def deed() -> None:
        house.engine.die()
        house.engine.kill()

    when(house, ("start", "api-successor-1"), deed)
    with pytest.raises(Killed):
        house.settle()
    house.new_daemon()
    said = foresee(house).steps
    house.settle()

    assert house.ends == [("rebuild", "succeeded")]
    assert not [each for each in said if "turn back" in each]
