"""From a row to a container, in virtual time: what each write, failure and request leads to."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from refitd.core import labels
from refitd.core.container import CreateRequest
from refitd.core.deployment import Snapshot
from refitd.core.module import Row
from refitd.core.plan import Nothing, Rebuild, Wanted
from refitd.core.target import Health, HttpProbe, Source
from refitd.errors import (
    BuildFailed,
    Conflict,
    DatabaseUnavailable,
    EngineUnavailable,
    LeaseLost,
    SourceRefused,
    SourceUnavailable,
)
from refitd.shell.drive import Parked
from tests.contracts.memory_journal import MemoryJournal
from tests.contracts.model_engine import Behaviour, Build
from tests.shell.house import BILLING, CRM, MAIL, NAME, PORTS, TARGET, House, off

BAD = Behaviour("unhealthy", 1.0)


@pytest.fixture
def house() -> House:
    """One that has made its first contact."""
    house = House()
    house.settle()
    return house


# -- What a write means ----------------------------------------------------------------------------


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


# -- What goes wrong -------------------------------------------------------------------------------


def test_failed_build(house: House) -> None:
    """A module that does not build leaves all as it was, is not tried again, and heals with
    its row."""
    house.engine.script_builds(Build(error="make: *** [all] Error 2"))
    house.write(BILLING, CRM, MAIL)
    house.settle()
    for _ in range(5):
        house.clock.sleep(100.0)
        house.settle()

    assert house.ends == [("rebuild", "failed")]
    assert "Error 2" in (house.deployments[0].error or "")
    assert house.database.logs[1]
    assert house.serving() == house.first
    house.write(BILLING, CRM)
    house.settle()
    assert house.database.quarantines == {}
    assert house.database.problems[NAME] is None
    house.check_in_step()


def test_toggle_while_a_build_is_barred(house: House) -> None:
    """Toggles of what runs are served meanwhile, and do not make the failed build be tried."""
    house.engine.script_builds(*[Build(error="broken")] * 9)
    house.write(BILLING, CRM, MAIL)
    house.settle()
    house.write(BILLING, off(CRM), MAIL)
    house.settle()
    house.write(BILLING, CRM, MAIL)
    house.settle()

    assert house.ends == [("rebuild", "failed"), ("restart", "succeeded"), ("restart", "succeeded")]
    assert len(house.engine.requests) == 1


def test_unhealthy(house: House) -> None:
    """A module that never gets healthy is found out by the canary: the old one never stops."""
    house.engine.script_builds(Build(behaviour=BAD))
    house.write(BILLING, CRM, MAIL)
    house.settle()
    house.settle()

    assert house.ends == [("rebuild", "rolled_back")]
    assert "canary" in (house.deployments[0].error or "")
    assert any("the end of the log of" in line for line in house.database.logs[1])
    assert house.serving().started_at == house.first.started_at
    assert house.all_names() == ["api"]
    house.write(BILLING, CRM)
    house.settle()
    house.check_in_step()


def test_toggle_that_cannot_start(house: House) -> None:
    """A toggle to what cannot start is found out by the canary, too; taken back, made again,
    it is tried again."""
    house.engine.behaves[house.first.image_id] = BAD
    house.write(BILLING, off(CRM))
    house.settle()
    assert house.ends == [("restart", "rolled_back")]
    assert house.serving().started_at == house.first.started_at
    house.write(BILLING, CRM)
    house.settle()
    house.engine.behaves.clear()
    house.write(BILLING, off(CRM))
    house.settle()

    assert house.ends == [("restart", "rolled_back"), ("restart", "succeeded")]
    house.check_in_step()


def test_restart_that_fails() -> None:
    """Without a canary a bad toggle fails as it restarts; it is barred, and its opposite heals."""
    house = House(replace(TARGET, canary=False))
    house.settle()
    house.engine.behaves[house.first.image_id] = BAD
    house.write(BILLING, off(CRM))
    house.settle()
    assert house.ends == [("restart", "failed")]
    house.engine.behaves.clear()
    house.write(BILLING, CRM)
    house.settle()

    assert house.ends == [("restart", "failed"), ("restart", "succeeded")]
    house.check_in_step()


def test_cannot_be_replaced() -> None:
    """One that cannot be replaced without loss is left alone, and the reason is on record; a
    later toggle is tried anew."""
    house = House(host={**PORTS, "AutoRemove": True, "RestartPolicy": {"Name": "no"}})
    house.settle()
    house.write(BILLING, off(CRM))
    house.settle()
    house.write(BILLING, CRM)
    house.settle()
    house.write(off(BILLING), CRM)
    house.settle()

    assert house.ends == [("restart", "failed"), ("restart", "failed")]
    assert "cannot be replaced" in (house.deployments[0].error or "")
    assert house.serving() == house.first


def test_source_refused(house: House) -> None:
    """A branch that is not there fails the deployment, with nothing touched."""
    house.git.error = SourceRefused("there is no branch 'main'")
    house.write(MAIL)
    house.settle()

    assert house.ends == [("rebuild", "failed")]
    assert house.engine.requests == []


def test_transient(house: House) -> None:
    """What may pass by itself is tried again after a growing delay, and only then."""
    house.git.error = SourceUnavailable("the remote does not answer")
    house.write(MAIL)
    house.settle()
    house.clock.sleep(5.0)
    house.settle()
    assert len(house.deployments) == 1
    house.clock.sleep(6.0)
    house.settle()
    assert len(house.deployments) == 2
    house.clock.sleep(11.0)
    house.settle()
    assert len(house.deployments) == 2
    house.git.error = None
    house.clock.sleep(10.0)
    house.settle()

    assert house.ends[-1] == ("rebuild", "succeeded")
    house.check_in_step()


def test_engine_error_at_the_very_end(house: House) -> None:
    """The engine falls silent as the success is being written down: it is one all the same."""
    house.write(BILLING, CRM, MAIL)
    house.engine.spy = lambda name, args: (
        house.engine.fail("container", skip=1)
        if name == "tag" and args[1] == "api:latest"
        else None
    )
    with pytest.raises(EngineUnavailable):
        house.settle()
    house.settle()

    assert house.ends == [("rebuild", "succeeded")]
    house.check_in_step()


def test_probe() -> None:
    """Where a probe is set it must be content as well, and its complaint is the reason."""
    health = Health(deadline_s=5.0, http=HttpProbe(80), tcp_port=80, command=("check",))
    house = House(replace(TARGET, health=health))
    house.settle()
    house.prober.wrong = "it answered 503"
    house.write(MAIL)
    house.settle()

    assert house.ends == [("rebuild", "rolled_back")]
    assert "503" in (house.deployments[0].error or "")
    house.prober.wrong = None
    house.engine.command = lambda *_: (1, "not yet")
    house.write(CRM)
    house.settle()
    assert "answered 1: not yet" in (house.deployments[-1].error or "")
    house.engine.command = lambda *_: (0, "")
    house.write(BILLING)
    house.settle()
    house.check_in_step()


def test_start_gets_no_answer(house: House) -> None:
    """An engine that never answers to the start of the successor gets the old one started."""
    house.write(MAIL)
    house.engine.fail("start", skip=1)
    house.engine.fail("start")
    house.engine.fail("start")
    house.settle()

    assert house.ends == [("rebuild", "rolled_back")]
    assert "did not answer" in (house.deployments[0].error or "")
    assert house.serving().runs


# -- The watch window ------------------------------------------------------------------------------


def test_falls_over_in_its_watch_window(house: House) -> None:
    """What was proven and falls over soon after gives way to what was before, tag and all; it
    is not tried again."""
    house.write(MAIL)
    house.settle()
    house.clock.sleep(10.0)
    house.engine.behaves[house.serving().image_id] = BAD
    house.engine.restart("api")
    house.clock.sleep(2.0)
    house.settle()
    house.pass_watch()

    assert house.ends == [("rebuild", "succeeded"), ("rollback", "rolled_back")]
    assert house.serving().id == house.first.id
    assert house.serving().runs
    assert house.all_names() == ["api"]
    tagged = house.engine.image("api:latest")
    assert tagged
    assert tagged.id == house.first.image_id


def test_falls_over_later(house: House) -> None:
    """After the window it is the engine's business."""
    house.write(MAIL)
    house.settle()
    house.pass_watch()
    house.engine.crash("api")
    house.settle()

    assert house.ends == [("rebuild", "succeeded")]


def test_stopped_by_hand(house: House) -> None:
    """Stopped by a person in its watch window, it has not fallen over."""
    house.write(MAIL)
    house.settle()
    house.engine.stop("api")
    house.settle()

    assert house.ends == [("rebuild", "succeeded")]


def test_put_back_by_hand(house: House) -> None:
    """The previous one, put back by a person in the watch window, is not removed at its end."""
    house.write(MAIL)
    house.settle()
    house.engine.remove("api")
    house.engine.rename("api-previous-1", "api")
    house.engine.start("api")
    house.engine.set_restart_policy("api", "always")
    house.pass_watch()
    house.settle()

    assert house.first.id in {each.id for each in house.engine.everyone()}


# -- While it is under way -------------------------------------------------------------------------


def test_superseded(house: House) -> None:
    """A change that makes the build pointless cancels it, and the next one is what is wanted."""
    house.engine.script_builds(Build(until=threading.Event()))
    house.write(BILLING, CRM, MAIL)

    def pointless(want: Wanted) -> bool:
        house.write(MAIL)
        return want.desired.specs != ("mail",)

    house.look(cancelled=pointless)
    house.settle()

    assert house.ends == [("rebuild", "superseded"), ("rebuild", "succeeded")]
    assert house.modules() == "mail"
    house.check_in_step()


def test_superseded_too_often(house: House) -> None:
    """After so many times one is let through, so that a drizzle starves nobody."""
    house.write(MAIL)
    for _ in range(house.timing.cancel_limit + 1):
        house.look(cancelled=lambda _: True)

    assert [state for _, state in house.ends] == ["superseded"] * 3 + ["succeeded"]


def test_stopped_while_building(house: House) -> None:
    """A stop cancels the build, however often others were; the next daemon begins it anew."""
    house.reconciler._deployer._cancels = house.timing.cancel_limit
    house.write(MAIL)
    house.engine.spy = lambda name, _: house.stopping.set() if name == "build" else None
    with pytest.raises(Parked):
        house.look()
    house.stopping.clear()
    house.engine.spy = lambda _name, _args: None
    house.new_daemon()
    house.settle()

    assert house.ends == [("rebuild", "superseded"), ("rebuild", "succeeded")]
    house.check_in_step()


def test_built_for_nobody(house: House) -> None:
    """A build that was cut off and that nobody wants any more ends as superseded."""
    house.write(MAIL)
    house.engine.spy = lambda name, _: house.stopping.set() if name == "build" else None
    with pytest.raises(Parked):
        house.look()
    house.stopping.clear()
    house.write(BILLING, CRM)
    house.settle()

    assert house.ends == [("rebuild", "superseded")]


@pytest.mark.parametrize("call", ["create", "start", "stop"])
def test_stopped_while_replacing(house: House, call: str) -> None:
    """A stop parks the replacement at a safe step, or finishes the critical section first."""
    house.write(MAIL)
    house.engine.spy = lambda name, _: house.stopping.set() if name == call else None
    with pytest.raises(Parked):
        house.settle()

    assert any(each.runs and "canary" not in each.name for each in house.engine.everyone())
    house.stopping.clear()
    house.engine.spy = lambda _name, _args: None
    house.new_daemon()
    house.settle()
    house.check_in_step()


def test_engine_away_and_stop(house: House) -> None:
    """With the engine gone in the middle a stop is still noticed."""
    house.write(MAIL)

    def gone(name: str, _: tuple[str, ...]) -> None:
        if name == "create":
            house.stopping.set()
            for _nth in range(3):
                house.engine.fail("containers")

    house.engine.spy = gone
    with pytest.raises(Parked):
        house.settle()


def test_lease_lost(house: House) -> None:
    """One that has lost its lease takes no further step, and the other daemon finishes."""
    house.write(MAIL)
    other = MemoryJournal(house.database, "two")

    def stolen(name: str, _: tuple[str, ...]) -> None:
        if name == "create" and house.database.leases[NAME].holder == "one":
            house.clock.hooks.clear()
            house.clock.sleep(20.0)
            other.take(NAME, "model-engine", 15.0)

    house.engine.spy = stolen
    with pytest.raises(LeaseLost):
        house.settle()
    calls = len(house.engine.calls)
    with pytest.raises(LeaseLost):
        house.look()
    assert len(house.engine.calls) == calls
    assert house.serving() == house.first

    house.clock.sleep(20.0)
    house.new_daemon("two")
    house.settle()
    house.check_in_step()


def test_deposed_in_a_critical_section(house: House) -> None:
    """The old one is stopped, and another daemon holds the lease: nothing more is done but what
    was on its way, and the other one finishes it."""
    house.write(MAIL)

    def stolen(name: str, args: tuple[str, ...]) -> None:
        if name == "stop" and args[0] == house.first.id:
            house.clock.hooks.clear()
            row = house.database.leases[NAME]
            row.holder, row.epoch = "two", row.epoch + 1
            house.clock.sleep(600.0)  # frozen, longer than the lease was extended

    house.engine.spy = stolen
    with pytest.raises(LeaseLost):
        house.settle()

    assert house.engine.calls[-1] == ("stop", "api")
    house.new_daemon("two")
    house.settle()
    house.check_in_step()


def test_frozen_in_a_critical_section_and_cut_off(house: House) -> None:
    """With the lease run out and nobody to ask whose it is, nothing more is done."""
    house.write(MAIL)

    def frozen(name: str, args: tuple[str, ...]) -> None:
        if name == "stop" and args[0] == house.first.id:
            house.clock.hooks.clear()
            house.clock.sleep(600.0)
            house.database.down = True

    house.engine.spy = frozen
    with pytest.raises(LeaseLost, match="nobody says whose it is"):
        house.settle()
    assert house.engine.calls[-1] == ("stop", "api")


def test_what_a_deposed_one_left_is_swept(house: House) -> None:
    """A container that was made too late, and never ran, is removed at the second look at it; one
    that has run is somebody's, and stays."""
    house.write(MAIL)
    house.settle()
    marks = {
        labels.TARGET: NAME,
        labels.FINAL_NAME: "api",
        labels.DEPLOYMENT: "7",
        labels.ROLE: labels.SUCCESSOR,
    }
    late = CreateRequest("api-successor-7", {"Image": "api:latest", "Labels": marks})
    house.engine.create(late)
    house.engine.create(CreateRequest("api-kept", late.body))
    house.engine.start("api-kept")
    house.engine.stop("api-kept")
    probe = {"Image": "api:latest", "Labels": {labels.ROLE: labels.PROBE}}
    house.engine.create(CreateRequest("api-refitd-probe", probe))
    house.look("poll")
    assert {"api-successor-7", "api-refitd-probe"} <= set(house.all_names())
    house.look("poll")
    assert house.all_names() == ["api", "api-kept", "api-previous-1"]


def test_critical_section_is_covered(house: House) -> None:
    """Before the old one stops, the lease is extended over all that can follow."""
    house.write(MAIL)
    left: list[float] = []

    def note(name: str, _: tuple[str, ...]) -> None:
        if name == "stop":
            row = house.database.leases[NAME]
            left.append((row.expires_at - house.database.at).total_seconds())

    house.engine.spy = note
    house.settle()
    assert left[0] >= 2 * TARGET.health.deadline_s


@pytest.mark.parametrize("call", ["stop", "start", "rename"])
def test_database_away_in_the_middle(house: House, call: str) -> None:
    """With the database gone a critical section is finished; the rest waits for it."""
    house.write(MAIL)

    def gone(name: str, args: tuple[str, ...]) -> None:
        canary = any("canary" in house.engine._readable(arg) for arg in args)
        if name == call and not canary:
            house.database.down = True

    house.engine.spy = gone
    with pytest.raises(DatabaseUnavailable):
        house.settle()

    assert any(each.health == "healthy" for each in house.engine.everyone() if each.runs)
    house.engine.spy = lambda _name, _args: None
    house.database.down = False
    house.settle()
    house.check_in_step()


# -- Requests --------------------------------------------------------------------------------------


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


# -- What is said ----------------------------------------------------------------------------------


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


# -- In the middle of it ---------------------------------------------------------------------------


def test_dies_by_itself_while_the_database_is_away(house: House) -> None:
    """The old one dies just as the database goes: the way is gone to its end without it."""
    house.write(MAIL)

    def die(name: str, args: tuple[str, ...]) -> None:
        if name == "create" and "successor" in args[0]:
            house.engine.set_restart_policy(house.first.id, "no")
            house.engine.crash("api")
            house.engine.spy = lambda _name, _args: None
            house.database.down = True

    house.engine.spy = die
    with pytest.raises(DatabaseUnavailable):
        house.settle()
    house.database.down = False
    house.settle()

    assert house.ends == [("rebuild", "succeeded")]
    assert house.modules() == "mail"


@pytest.mark.parametrize("nth", [0, 1, 2], ids=["probe", "canary", "second probe"])
def test_removal_in_progress(house: House, nth: int) -> None:
    """A refusal to remove what is being removed is no reason to turn back."""
    house.write(MAIL)
    house.engine.fail("remove", error=Conflict("removal is already in progress"), skip=nth)
    house.settle()

    assert house.ends == [("rebuild", "succeeded")]


def test_refused_again_and_again_on_the_way_back(house: House) -> None:
    """What cannot be removed holds nothing up, and is removed as soon as the engine lets us."""
    house.engine.script_builds(Build(behaviour=BAD))
    house.write(MAIL)
    house.engine.fail("logs", error=EngineUnavailable("no answer"))
    refusals = iter(range(4))

    def refuse(name: str, args: tuple[str, ...]) -> None:
        canary = name == "remove" and "canary" in house.engine._readable(args[0])
        if canary and next(refusals, None) is not None:
            house.engine.fail("remove", error=Conflict("busy"))

    house.engine.spy = refuse
    house.settle()
    assert house.ends == [("rebuild", "rolled_back")]
    for _ in range(2):
        house.look("poll")

    assert house.all_names() == ["api"]
    assert any("could not be read" in line for line in house.database.logs[1])


def test_refused_start(house: House) -> None:
    """A start that is refused turns back, with the engine's words as the cause."""
    house.write(MAIL)
    house.engine.fail("start", error=Conflict("no such device"), skip=1)
    house.settle()

    assert house.ends == [("rebuild", "rolled_back")]
    assert "no such device" in (house.deployments[0].error or "")
    assert house.serving().id == house.first.id
    assert house.serving().runs
