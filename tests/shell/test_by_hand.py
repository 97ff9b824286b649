"""What people do to the containers in the middle of it, and what is not to be blamed for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from refitd.core.container import CreateRequest
from refitd.core.target import Target
from refitd.errors import DatabaseUnavailable, EngineRefused, EngineUnavailable
from refitd.shell.rescue import rescue
from tests.contracts.model_engine import Behaviour, Build
from tests.shell.fakes import Killed, Moment
from tests.shell.house import BILLING, CRM, MAIL, PORTS, TARGET, House, off
from tests.shell.test_crash import bare_hand_over

BARE = replace(TARGET, canary=False)
OVERLAP = replace(TARGET, concurrent=True)
ALWAYS = {"RestartPolicy": {"Name": "always"}}


def rebuilt(policy: str) -> House:
    """In its watch window, with a backend that ends with code 1 whoever stops it."""
    house = House(policy=policy)
    house.settle()
    house.write(BILLING, CRM, MAIL)
    house.settle()
    house.clock.sleep(5.0)
    return house


@pytest.mark.parametrize("policy", ["always", "unless-stopped"])
def test_stopped_with_a_code_of_its_own(policy: str) -> None:
    """Whoever stays down though its policy starts what ends by itself was stopped by somebody,
    whatever code it ended with: nothing is put back."""
    house = rebuilt(policy)
    house.engine.stop("api")
    house.engine._get("api").exit_code = 1
    house.pass_watch()

    assert house.ends == [("rebuild", "succeeded")]
    assert not house.serving().runs


@pytest.mark.parametrize("policy", ["no", "on-failure"])
def test_went_down_with_the_engine_in_its_watch_window(policy: str) -> None:
    """What the engine took down with it is not to blame, whatever its policy."""
    house = rebuilt(policy)
    house.engine.fail("containers", "before")
    house.engine.fail("container", "before")
    with pytest.raises(EngineUnavailable):
        house.look()
    house.engine.die()
    house.engine._get("api").exit_code = 1
    house.pass_watch()

    assert house.ends == [("rebuild", "succeeded")]


@pytest.mark.parametrize("when", ["killed", "no answer"])
def test_created_in_part(when: str) -> None:
    """An older engine takes the second network by a call of its own. Cut off before it, the new
    one is made once more, and bears both."""
    house = House(BARE, host={"NetworkMode": "web"} | PORTS)
    house.engine.add_network("db")
    house.engine.connect("api", "db", {"Aliases": ["store"]})
    house.settle()
    house.write(BILLING, CRM, MAIL)

    def cut_off(moment: Moment) -> None:
        if moment == "after" and house.engine.calls[-1] == ("create", "api-successor-1"):
            house.engine.fate = lambda _moment: None
            if when == "killed":
                house.engine.kill()
            raise EngineUnavailable("no answer came")

    house.engine.fate = cut_off
    if when == "killed":
        with pytest.raises(Killed):
            house.settle()
        house.new_daemon()
    house.settle()

    house.check_in_step()
    assert house.ends == [("rebuild", "succeeded")]
    assert set(house.serving().networks) == {"web", "db"}
    assert "store" in house.serving().networks["db"]


def test_recreated_while_the_image_is_built() -> None:
    """Somebody makes the container anew during the build: that says nothing of the new image,
    which is rolled out a little later."""
    house = House()
    house.settle()
    house.write(BILLING, CRM, MAIL)
    build = house.engine.build

    def meanwhile(*args: object) -> str:
        house.engine.build = build  # type: ignore[method-assign]
        house.engine.remove("api")
        house.engine.run("api", "api:latest", HostConfig=PORTS | ALWAYS)
        return build(*args)  # type: ignore[arg-type]

    house.engine.build = meanwhile  # type: ignore[method-assign, assignment]
    for _ in range(20):
        house.settle()
        house.clock.sleep(30.0)

    house.check_in_step()


def test_paused_before_it_was_seen_running() -> None:
    """Who is paused by somebody is given until the deadline, and then up for lost."""
    house = House(BARE)
    house.settle()
    house.write(BILLING, CRM, MAIL)

    def pause(moment: Moment) -> None:
        if moment == "after" and house.engine.calls[-1] == ("start", "api-successor-1"):
            house.engine.fate = lambda _moment: None
            house.engine.pause("api-successor-1")

    house.engine.fate = pause
    house.settle()

    assert house.ends == [("rebuild", "rolled_back")]
    assert house.serving().id == house.first.id


def test_outage_where_the_stop_got_no_answer() -> None:
    """It is reckoned to the proof of the new one, not to the look that showed the old one still
    there."""
    whole = outage_s(lambda _house: None)
    asked_again = outage_s(lambda house: house.engine.fail("stop", "before"))

    assert asked_again >= whole > 0


def test_outage_over_a_kill() -> None:
    """Killed between stop and start: the time until the next daemon came is part of it."""
    house = House(BARE)
    house.settle()
    house.write(BILLING, CRM, MAIL)

    def kill(moment: Moment) -> None:
        if moment == "after" and house.engine.calls[-1] == ("stop", "api"):
            house.engine.fate = lambda _moment: None
            house.engine.kill()

    house.engine.fate = kill
    with pytest.raises(Killed):
        house.settle()
    house.clock.sleep(30.0)
    house.new_daemon()
    house.settle()

    (row,) = house.deployments
    assert row.state == "succeeded"
    assert row.outage_s is not None
    assert row.outage_s >= 30.0


def test_outage_of_a_way_back_from_the_watch_window() -> None:
    """That one costs users something too."""
    house = rebuilt("always")
    house.engine.behaves[house.serving().image_id] = Behaviour("unhealthy", 1.0)
    house.engine.restart("api")
    house.clock.sleep(2.0)
    house.settle()

    assert house.ends[-1] == ("rollback", "rolled_back")
    assert house.deployments[-1].outage_s is not None


def test_outage_that_could_not_be_written_down() -> None:
    """Postgres is away when the row is to be ended: what was measured is written down later."""
    house = House(BARE)
    house.settle()
    house.write(BILLING, CRM, MAIL)

    def away(moment: Moment) -> None:
        if (
            moment == "after"
            and house.engine.calls[-1][0] == "tag"
            and "latest" in str(house.engine.calls[-1])
        ):
            house.database.down = True

    house.engine.fate = away
    with pytest.raises(DatabaseUnavailable):
        house.settle()
    house.engine.fate = lambda _moment: None
    house.database.down = False
    house.settle()

    (row,) = house.deployments
    assert (row.state, row.outage_s is not None) == ("succeeded", True)


def outage_s(trouble: object) -> float:
    """On the row of a swap, in which this goes wrong."""
    house = House(BARE)
    house.settle()
    house.engine.script_builds(Build(behaviour=Behaviour("healthy", 5.0)))
    house.write(BILLING, CRM, MAIL)
    trouble(house)  # type: ignore[operator]
    house.settle()
    (row,) = house.deployments
    assert row.outage_s is not None
    return row.outage_s


def when(house: House, call: tuple[str, str], deed: Callable[[], None]) -> None:
    """Somebody does this as soon as refitd has made that call."""

    def watch(moment: Moment) -> None:
        if moment == "after" and house.engine.calls[-1][: len(call)] == call:
            house.engine.fate = lambda _moment: None
            deed()

    house.engine.fate = watch


def make_anew(house: House) -> None:
    """As it was made at first, whoever bears the name now being called otherwise."""
    found = house.engine.container("api")
    if found is not None:
        house.engine.rename(found.id, "api-by-hand")
    house.engine.run("api", "api:latest", HostConfig=ALWAYS | {"NetworkMode": "web"})


def test_old_one_removed_in_overlap() -> None:
    """Somebody removes it once the new one runs: that one gets its names, aliases included."""
    house = House(OVERLAP, host={"NetworkMode": "web"})
    house.engine.disconnect("api", "web")
    house.engine.connect("api", "web", {"Aliases": ["backend"]})
    house.settle()
    house.write(BILLING, CRM, MAIL)
    when(house, ("start", "api-successor-1"), lambda: house.engine.remove("api"))
    house.settle()

    assert house.ends == [("rebuild", "succeeded")]
    assert set(house.serving().networks["web"]) >= {"backend", "api"}
    house.check_in_step()


@pytest.mark.parametrize("call", ["start", "connect"])
def test_old_one_made_anew_in_overlap(call: str) -> None:
    """Somebody removes it and makes it anew, beside the new one: that one goes, and the change is
    rolled out to what they made a little later."""
    house = House(OVERLAP, host={"NetworkMode": "web"})
    house.settle()
    house.write(BILLING, CRM, MAIL)

    def deed() -> None:
        house.engine.remove("api")
        make_anew(house)

    when(house, (call, "api-successor-1"), deed)
    house.settle()
    assert house.ends == [("rebuild", "failed")]
    assert house.all_names() == ["api"]
    assert "the name api was given to another container" in str(house.deployments[0].error)

    for _ in range(20):
        house.settle()
        house.clock.sleep(30.0)
    house.check_in_step()


@pytest.mark.parametrize("target, host", [(BARE, PORTS), (OVERLAP, {"NetworkMode": "web"})])
def test_name_given_away_between_the_renames(target: Target, host: dict[str, Any]) -> None:
    """Another container takes the name in the moment in which nobody bears it: the deployment
    ends, says how the old one is called, and takes nothing away."""
    house = House(target, host=host)
    house.settle()
    house.write(BILLING, CRM, MAIL)
    when(house, ("rename", "api"), lambda: make_anew(house))
    house.settle()

    assert house.ends == [("rebuild", "failed")]
    assert house.all_names() == ["api", "api-previous-1"]
    assert "the old container" in str(house.deployments[0].error)
    assert "as api-previous-1" in str(house.deployments[0].error)
    assert house.serving().runs


def create_in_vain(house: House) -> None:
    """`docker run --name api -p 8080:80`: the name is free, the port is not."""
    body = {"Image": "api:latest", "HostConfig": PORTS | ALWAYS}
    house.engine.create(CreateRequest("api", body))


def test_name_given_away_under_the_old_hand_over() -> None:
    """The old one, started again, would remove whoever bears the final name: what somebody has
    created is called otherwise before."""
    house = bare_hand_over()
    when(house, ("start", "api-successor-1"), lambda: create_in_vain(house))
    house.settle()

    assert house.engine.handed_over == []
    assert [each.partition("-other-")[0] for each in house.all_names()] == ["api", "api"]
    assert house.serving().id == house.first.id


def test_name_given_away_under_the_old_hand_over_without_a_database() -> None:
    """So does the rescue."""
    house = bare_hand_over()

    def deed() -> None:
        create_in_vain(house)
        house.engine.kill()

    when(house, ("stop", "api-previous-1"), deed)
    with pytest.raises(Killed):
        house.settle()
    house.engine.revive()
    rescue(house.engine, house.target, "one", house.log)

    assert house.engine.handed_over == []
    assert any("-other-" in each for each in house.all_names())


def test_what_is_left_to_serve_survives_a_reboot() -> None:
    """The old one is removed, and the new one cannot get the name: it has the policy all the same,
    and the row says how it is called."""
    house = House(BARE)
    house.settle()
    house.write(BILLING, CRM, MAIL)

    def deed() -> None:
        house.engine.remove("api")
        create_in_vain(house)

    when(house, ("start", "api-successor-1"), deed)
    house.settle()
    assert "the new one is left as api-successor-1" in str(house.deployments[0].error)

    house.engine.reboot()
    assert [each.name for each in house.engine.everyone() if each.runs] == ["api-successor-1"]


def test_what_is_left_to_serve_gets_the_name() -> None:
    """The old one is removed, and the engine refuses one call: the new one stays, as the target."""
    house = House(BARE)
    house.settle()
    house.write(BILLING, CRM, MAIL)
    when(house, ("start", "api-successor-1"), lambda: house.engine.remove("api"))
    house.engine.fail("set_restart_policy", "before", EngineRefused("update failed"))
    house.settle()

    house.engine.reboot()
    assert house.serving().runs


def test_two_that_may_be_the_backend() -> None:
    """As long as the one that was renamed by hand runs, too, nothing is replaced; once it is gone,
    the change is rolled out by itself."""
    house = House(OVERLAP, host={"NetworkMode": "web"})
    house.settle()
    house.write(BILLING, CRM, MAIL)
    house.settle()
    house.pass_watch()
    house.write(BILLING, CRM)
    when(house, ("start", "api-successor-2"), lambda: make_anew(house))
    for _ in range(20):
        house.settle()
        house.clock.sleep(30.0)
    assert "remove the one that is not the backend" in str(house.deployments[-1].error)

    house.engine.remove("api-by-hand")
    for _ in range(60):
        house.settle()
        house.clock.sleep(30.0)
    house.check_in_step()


@pytest.mark.parametrize("host", [PORTS, {"NetworkMode": "web"}], ids=["ports", "names"])
def test_replaced_by_somebody_after_a_restart_in_place(host: dict[str, Any]) -> None:
    """Theirs is left alone, and the old one, which they stopped, stays down beside it."""
    house = House(host=host)
    house.settle()
    house.write(BILLING, off(CRM))

    def replaced() -> None:
        house.engine.rename("api", "api-old")
        house.engine.stop("api-old")
        house.engine.run("api", "api:latest", HostConfig=host | ALWAYS)

    when(house, ("restart", "api"), replaced)
    house.settle()

    assert house.ends == [("restart", "failed")]
    assert house.serving().runs
    left = house.engine.container("api-old")
    assert left
    assert not left.runs
