"""A whole daemon brings the target's companions along: forward, back, and killed at any call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import pytest

from refitd.core.module import Row
from tests.contracts.model_engine import Behaviour, Build
from tests.shell import test_by_hand as by_hand
from tests.shell.fakes import Killed
from tests.shell.house import BILLING, CRM, MAIL, TARGET, House, off
from tests.shell.test_vetting import foresee

POLICY = {"Name": "unless-stopped", "MaximumRetryCount": 0}
BAD = Behaviour("unhealthy", 1.0)


def house_of_three() -> House:
    """A target with one in its network namespace, and one that uses its volumes."""
    house = House(replace(TARGET, canary=False))
    house.engine.add_image("proxy:1", behaviour=Behaviour("healthy", 1.0))
    proxy = {"NetworkMode": f"container:{house.first.id}", "RestartPolicy": POLICY}
    house.engine.run("proxy", "proxy:1", HostConfig=proxy)
    house.engine.run(
        "backup", "proxy:1", HostConfig={"VolumesFrom": ["api"], "RestartPolicy": POLICY}
    )
    house.clock.sleep(5.0)
    house.settle()
    return house


def write(house: House, *rows: Row) -> None:
    """And let it be acted on."""
    house.write(*rows)
    house.settle()


def lives_with(house: House, name: str) -> str:
    """Whose network it has."""
    found = house.engine.container(name)
    assert found
    assert (found.state, found.restart_policy) == ("running", "unless-stopped")
    mode: str = found.inspect["HostConfig"]["NetworkMode"]
    return mode.removeprefix("container:")


def check_together(house: House) -> None:
    """All three run under their names, the one in the namespace of the other."""
    house.clock.sleep(3.0)  # for who was put back to get healthy again
    target = house.serving()
    assert (target.state, target.health) == ("running", "healthy")
    assert lives_with(house, "proxy") == target.id
    proxy = house.engine.container("proxy")
    assert proxy
    assert proxy.started_at > target.started_at
    backup = house.engine.container("backup")
    assert backup
    assert backup.runs
    running = [each.name for each in house.engine.everyone() if each.runs]
    assert sorted(running) == ["api", "backup", "proxy"]


def test_rebuild() -> None:
    """They are replaced with the target, kept through the watch window, and gone after it."""
    house = house_of_three()
    write(house, BILLING, CRM, MAIL)

    assert house.ends == [("rebuild", "succeeded")]
    assert house.serving().id != house.first.id
    check_together(house)
    backup = house.engine.container("backup")
    assert backup
    assert backup.inspect["HostConfig"]["VolumesFrom"] == [house.serving().id]
    assert "proxy-previous-1" in house.all_names()
    house.pass_watch()
    assert house.all_names() == ["api", "backup", "proxy"]
    write(house, BILLING)
    check_together(house)
    house.pass_watch()
    assert house.all_names() == ["api", "backup", "proxy"]


def test_toggle() -> None:
    """A restart in place restarts who was cut off by it, and nobody else."""
    house = house_of_three()
    before = {each.name: each.started_at for each in house.engine.everyone()}
    write(house, BILLING, off(CRM))

    assert house.ends == [("restart", "succeeded")]
    check_together(house)
    after = {each.name: each.started_at for each in house.engine.everyone()}
    assert after["backup"] == before["backup"]


def test_back() -> None:
    """A successor that is not proven puts everybody back."""
    house = house_of_three()
    house.engine.script_builds(Build(behaviour=BAD))
    write(house, BILLING, CRM, MAIL)

    assert house.ends == [("rebuild", "rolled_back")]
    assert house.serving().id == house.first.id
    check_together(house)
    assert house.all_names() == ["api", "backup", "proxy"]


def test_fallen_in_the_watch_window() -> None:
    """So does one that falls over in its watch window."""
    house = house_of_three()
    write(house, BILLING, CRM, MAIL)
    house.engine.behaves[house.serving().image_id] = BAD
    house.engine.restart("api")
    house.clock.sleep(2.0)
    house.settle()

    assert house.ends[-1] == ("rollback", "rolled_back")
    check_together(house)
    house.pass_watch()
    assert house.all_names() == ["api", "backup", "proxy"]


def test_plan() -> None:
    """The plan names them, step by step."""
    house = house_of_three()
    house.write(BILLING, CRM, MAIL)
    view = foresee(house)
    assert view.refusals == ()
    assert "stop the old proxy by its own signal and timeout" in view.steps
    assert "start the new backup" in view.steps


def test_overlap_is_not_for_them() -> None:
    """One who lives in its namespaces can be with one of two only: no overlap."""
    house = House(replace(TARGET, concurrent=True), host={"NetworkMode": "web"})
    house.engine.add_image("proxy:1")
    mode = {"NetworkMode": f"container:{house.first.id}"}
    house.engine.run("proxy", "proxy:1", HostConfig=mode)
    house.settle()
    house.write(BILLING, CRM, MAIL)
    assert "proxy lives in its namespaces" in foresee(house).steps[0]


def rebuild(house: House) -> None:
    """Forward."""
    house.write(BILLING, CRM, MAIL)


def toggle(house: House) -> None:
    """In place."""
    house.write(BILLING, off(CRM))


def bad(house: House) -> None:
    """Back."""
    house.engine.script_builds(*[Build(behaviour=BAD)] * 3)
    house.write(BILLING, CRM, MAIL)


@pytest.mark.parametrize("scene", [rebuild, toggle, bad])
def test_killed_anywhere(scene: Callable[[House], None]) -> None:
    """Killed before or after any call to the engine, the next daemon brings all together."""
    moments: tuple[Literal["before", "after"], ...] = ("before", "after")
    for at in range(1, 80):
        for when in moments:
            house = house_of_three()
            scene(house)
            house.engine.arm(at, when)
            try:
                house.settle()
            except Killed:
                house.new_daemon()
                house.settle()
                check_together(house)
                house.pass_watch()
                assert house.all_names() == ["api", "backup", "proxy"]
            else:
                assert at > 2
                return
    raise AssertionError("no end of calls")


def test_target_that_falls_over_by_its_restart() -> None:
    """Who was stopped for it is tried to be started; if that cannot be, the row says who is left."""
    house = house_of_three()
    house.engine.behaves["api:latest"] = Behaviour("loops", 0.0)
    write(house, BILLING, off(CRM))

    assert house.ends == [("restart", "failed")]
    assert str(house.deployments[0].error).endswith("left undone: start the old proxy")


def test_first_of_two_not_proven() -> None:
    """After a restart the one that nothing is wrong with runs, whatever is with the other."""
    house = house_of_three()
    host = {"NetworkMode": f"container:{house.first.id}", "RestartPolicy": POLICY}
    house.engine.add_image("zeta:1", behaviour=Behaviour("healthy", 1.0))
    house.engine.run("zeta", "zeta:1", HostConfig=host)
    house.clock.sleep(5.0)
    house.settle()
    house.engine.behaves["proxy:1"] = BAD
    write(house, BILLING, off(CRM))

    assert house.ends == [("restart", "failed")]
    assert lives_with(house, "zeta") == house.first.id


@pytest.mark.parametrize("made", ["api-successor-1", "proxy-successor-1", "backup-successor-1"])
def test_old_one_removed_by_hand(made: str) -> None:
    """The new one takes its place all the same, for those who live with it, too."""
    house = house_of_three()
    house.write(BILLING, CRM, MAIL)
    by_hand.when(house, ("create", made), lambda: house.engine.remove(house.first.id))
    house.settle()

    assert house.ends == [("rebuild", "succeeded")]
    check_together(house)
    backup = house.engine.container("backup")
    assert backup
    assert backup.inspect["HostConfig"]["VolumesFrom"] == [house.serving().id]
