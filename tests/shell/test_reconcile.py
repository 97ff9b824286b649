"""From a row to a container, in virtual time: what each write and request leads to, and what is said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from refitd.core.container import CreateRequest
from refitd.core.deployment import Snapshot
from refitd.core.module import Row
from refitd.core.plan import Nothing, Rebuild
from refitd.core.target import Source
from refitd.errors import (
    BuildFailed,
    SourceUnavailable,
)
from tests.contracts.model_engine import Behaviour, Build
from tests.shell.house import BILLING, CRM, MAIL, NAME, PORTS, TARGET, House, off


def test_first_contact() -> None:
    """The first look touches nothing but refitd's own books."""
    house = House()
    house.engine.calls.clear()

    looked = house.look("start")
    assert looked.decision == Nothing("in step")
    assert house.engine.calls == []
    assert house.database.records[NAME].adopted


def test_burst(house: House) -> None:
    """Ten rows in ten transactions are one rebuild, with the list of the table."""
    rows: tuple[Row, ...] = (BILLING, CRM)
    for n in range(10):
        rows = (*rows, Row(f"m{n}", None, enabled=True))
        house.write(*rows)
    house.settle()

    assert house.ends == [("rebuild", "succeeded")]
    assert house.modules() == "billing,crm,m0,m1,m2,m3,m4,m5,m6,m7,m8,m9"
    house.check_in_step()


def test_too_early(house: House) -> None:
    """Before it is ripe a rebuild is held, and nothing is written down."""
    house.write(BILLING, CRM, MAIL)

    looked = house.look(ripe=False)
    assert looked.held
    assert isinstance(looked.decision, Rebuild)
    assert house.deployments == []


def test_toggle(house: House) -> None:
    """A toggle restarts in place, unripe as it may be, and builds nothing."""
    house.write(BILLING, off(CRM))
    house.look(ripe=False)

    assert house.ends == [("restart", "succeeded")]
    assert house.engine.requests == []
    assert house.serving().id == house.first.id
    assert house.serving().started_at != house.first.started_at
    house.check_in_step()


def test_back_where_it_began(house: House) -> None:
    """A burst that ends where it began does nothing, and is taken up."""
    house.write(BILLING)
    house.write(BILLING, CRM)
    house.settle()

    assert house.ends == []
    house.check_in_step()


def test_two_bursts(house: House) -> None:
    """Two rebuilds, one after the other, leave one previous container, and one previous image."""
    house.write(BILLING, CRM, MAIL)
    house.settle()
    house.write(CRM, MAIL)
    house.settle()

    assert house.all_names() == ["api", "api-previous-2"]
    house.pass_watch()
    house.check_in_step()
    tags = [image.tags for image in house.engine.images({})]
    assert sum("api:latest" in each for each in tags) == 1


def test_image_used_again(house: House) -> None:
    """A list that was built before, of the same commit, is not built again."""
    house.write(BILLING, CRM, MAIL)
    house.settle()
    house.write(BILLING, CRM)
    house.settle()
    house.write(BILLING, CRM, MAIL)
    house.settle()

    assert house.modules() == "billing,crm,mail"
    assert len(house.engine.requests) == 2


def test_toggle_during_build(house: House) -> None:
    """A toggle committed while the image is built needs no restart: the successor reads it."""
    house.write(BILLING, CRM, MAIL)
    house.engine.spy = lambda name, _: (
        house.write(BILLING, off(CRM), MAIL) if name == "build" else None
    )
    house.settle()

    assert house.ends == [("rebuild", "succeeded")]
    house.check_in_step()


def test_toggle_after_start(house: House) -> None:
    """One committed after the successor's start is served by a restart."""
    house.write(BILLING, CRM, MAIL)
    house.engine.spy = lambda name, _: (
        house.write(BILLING, off(CRM), MAIL) if name == "rename" else None
    )
    house.settle()

    assert house.ends == [("rebuild", "succeeded"), ("restart", "succeeded")]
    house.check_in_step()


def test_refused_row(house: House) -> None:
    """A row that cannot be taken is left out by name; the others go ahead."""
    house.write(BILLING, CRM, MAIL, Row("x,y", None, enabled=True))
    house.settle()

    assert house.modules() == "billing,crm,mail"
    assert "'x,y' is refused" in (house.database.problems[NAME] or "")


def test_slip_in_a_version(house: House) -> None:
    """A running module whose version becomes one that is refused: nothing is rebuilt, that and what
    stays built in is said, other rows go ahead beside it, and corrected it is built in."""
    crm = replace(CRM, version="1.0")
    house.write(BILLING, crm)
    house.settle()
    house.write(BILLING, replace(crm, version="1.1;"))
    house.settle()
    problem = house.database.problems[NAME] or ""
    assert "version '1.1;' of module 'crm' is refused" in problem
    assert "crm@1.0 stays built in" in problem
    assert house.modules() == "billing,crm@1.0"
    assert house.ends == [("rebuild", "succeeded")]
    house.check_in_step()
    house.write(BILLING, replace(crm, version="1.1;"), MAIL)
    house.settle()
    assert house.modules() == "billing,crm@1.0,mail"
    house.check_in_step()
    house.write(BILLING, replace(crm, version="1.1;", enabled=False), MAIL)
    house.settle()
    assert house.ends[-1] == ("restart", "succeeded")
    assert house.database.records[NAME].enabled == ("billing", "mail")
    house.check_in_step()
    house.write(BILLING, replace(crm, version="1.1"), MAIL)
    house.settle()
    assert house.modules() == "billing,crm@1.1,mail"
    assert house.database.problems[NAME] is None


def test_missing(house: House) -> None:
    """A target that is missing is said and waited for; its changes stay."""
    house.engine.remove(house.first.id)
    house.write(MAIL)
    house.settle()

    assert "there is no container 'api'" in (house.database.problems[NAME] or "")
    assert not any(row.handled for row in house.database.changes.values())
    house.engine.run("api", "api:latest", HostConfig=PORTS)
    house.settle()
    assert house.modules() == "mail"


def test_local_folder() -> None:
    """A local folder is a source like any other."""
    house = House(replace(TARGET, source=Source(path="/srv/core")))
    house.settle()
    house.write(MAIL)
    house.settle()

    assert house.engine.requests[0].context
    house.check_in_step()


def test_followed_branch() -> None:
    """A push is a rebuild where the branch is followed; a remote that is away changes nothing."""
    house = House(replace(TARGET, source=replace(TARGET.source, follow=True)))
    house.settle()
    house.write(MAIL)
    house.settle()
    house.git.error = SourceUnavailable("no route")
    house.settle()
    assert house.ends == [("rebuild", "succeeded")]
    house.git.error, house.git.head = None, "d" * 40
    house.settle()

    assert house.ends == [("rebuild", "succeeded")] * 2
    assert house.database.records[NAME].commit == "d" * 40


def test_rebuild_request(house: House) -> None:
    """A rebuild that is asked for is one without the layer cache, and answered."""
    asked = house.database.ask(NAME, "rebuild")
    house.settle()

    assert house.ends == [("rebuild", "succeeded")]
    assert house.engine.requests[0].no_cache
    assert house.database.answer(asked).outcome == "succeeded"


def test_restart_request(house: House) -> None:
    """So is a restart."""
    asked = house.database.ask(NAME, "restart")
    house.settle()

    assert house.ends == [("restart", "succeeded")]
    assert house.database.answer(asked).outcome == "succeeded"


def test_retry_request(house: House) -> None:
    """A retry tries what is barred; where nothing is, it says so."""
    house.engine.script_builds(Build(error=BuildFailed("broken")))
    first = house.database.ask(NAME, "retry")
    house.settle()
    assert house.database.answer(first).outcome == "nothing to do: in step"
    house.write(MAIL)
    house.settle()
    second = house.database.ask(NAME, "retry")
    house.settle()

    assert house.ends == [("rebuild", "failed"), ("rebuild", "succeeded")]
    assert house.database.answer(second).outcome == "succeeded"


def test_pause(house: House) -> None:
    """While paused nothing is done; afterwards all of it."""
    house.database.ask(NAME, "pause")
    house.write(MAIL)
    house.settle()
    assert house.ends == []
    house.database.ask(NAME, "cancel")
    house.database.ask(NAME, "resume")
    house.settle()

    assert house.ends == [("rebuild", "succeeded")]
    house.check_in_step()


def test_one_line_a_deployment(house: House) -> None:
    """One line says all of a deployment: what woke it, what for, each step, how it ended."""
    house.engine.script_builds(Build(behaviour=Behaviour("healthy", 2.0)))
    house.write(MAIL)
    house.settle()

    [line] = house.log.facts("deployment.ended")
    assert line["result"] == "succeeded"
    assert (line["wake"], line["action"], line["modules"]) == ("notify", "rebuild", ["mail"])
    assert line["commit"] == house.git.head
    assert line["outage_s"] == pytest.approx(2.0, abs=0.2)
    assert [name.split()[1] for name in line["steps"]][:3] == ["resolve", "build", "create_canary"]
    assert house.metrics.ends == [("rebuild", "succeeded")]


def test_a_look_is_said_once(house: House) -> None:
    """A look that finds the same as the one before is not logged again."""
    before = len(house.log.said)
    house.settle()
    house.settle()

    assert len(house.log.said) == before


def test_probe_container_is_gone(house: House) -> None:
    """A probe left behind by one that died is cleared away by the next that needs its name."""
    house.engine.create(CreateRequest("api-refitd-probe", {"Image": "api:latest"}))
    house.write(MAIL)
    house.settle()

    house.check_in_step()


def test_old_image_gone(house: House) -> None:
    """Without its image it cannot be told what was asked of the old one: nothing is touched."""
    house.write(MAIL)
    image = house.engine._images.pop(house.first.image_id)
    house.settle()

    assert house.ends == [("rebuild", "rolled_back")]
    assert "is gone from the engine" in (house.deployments[0].error or "")
    house.engine._images[image.id] = image
    assert house.serving() == house.first


def test_snapshot_is_all(house: House) -> None:
    """Nothing of the look is remembered besides: a daemon that is new decides the same."""
    house.write(MAIL)
    house.new_daemon()
    house.settle()

    assert isinstance(house.journal.snapshot(NAME), Snapshot)
    house.check_in_step()
