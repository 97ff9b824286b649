"""While the replaced container still stands by: what falls over is put back, and others may act on
both, compose or a person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.contracts.model_engine import Behaviour
from tests.shell.house import BILLING, CRM, MAIL, TARGET, House
from tests.shell.test_by_hand import when

BAD = Behaviour("unhealthy", 1.0)


def swapped() -> House:
    """One that was just rebuilt, and publishes a port."""
    return _rebuilt(House())


def overlapped() -> House:
    """One that was just rebuilt beside the old one."""
    return _rebuilt(House(replace(TARGET, concurrent=True), host={"NetworkMode": "web"}))


def _rebuilt(house: House) -> House:
    house.settle()
    house.write(BILLING, CRM, MAIL)
    house.settle()
    return house


def watch(house: House, seconds: int = 5) -> None:
    """Look each second, and go on with what comes of it."""
    for _ in range(seconds):
        house.clock.sleep(1.0)
        house.look("watch")


def test_the_one_that_was_replaced_does_not_serve_beside_the_new_one() -> None:
    """Started by somebody it is stopped again, and that is said; the new one is left alone."""
    house = overlapped()
    new = house.serving()
    house.engine.start("api-previous-1")
    watch(house)
    old = house.engine.container("api-previous-1")
    assert old is not None
    assert old.state == "exited"
    assert house.serving().id == new.id
    assert len(house.log.facts("container.stopped_again")) == 1
    house.check_in_step()


def test_the_one_that_was_replaced_and_took_the_port_is_put_back() -> None:
    """Both were restarted, and the old one was first at the port: it serves, under its name."""
    house = swapped()
    house.engine.stop("api")
    house.engine.start("api-previous-1")
    failed = house.engine._get("api")
    failed.exit_code = 128
    watch(house)
    assert house.serving().id == house.first.id
    assert house.serving().state == "running"
    assert house.ends[-1] == ("rollback", "rolled_back")
    assert house.all_names() == ["api"]


@pytest.mark.parametrize("scene", [swapped, overlapped])
def test_one_that_is_stopped_stays_stopped(scene: Callable[[], House]) -> None:
    """Whoever stops the new one wants it stopped, though the engine calls it unhealthy then."""
    house = scene()
    house.engine.stop("api")
    watch(house)
    assert house.serving().state == "exited"
    assert all(not each.runs for each in house.engine.everyone())
    assert house.ends == [("rebuild", "succeeded")]


def test_what_fell_over_is_kept_where_there_is_nothing_else() -> None:
    """The old one was removed, the new one falls over: it is said, and what is left is left."""
    house = swapped()
    house.engine.remove("api-previous-1")
    new = house.engine._get("api")
    new.behaviour = Behaviour("exits", 0.0)
    house.engine.set_restart_policy("api", "no")
    watch(house)
    assert house.ends[-1] == ("rollback", "failed")
    assert "nothing to go back to" in (house.deployments[-1].error or "")
    assert house.all_names() == ["api"]


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


@pytest.mark.parametrize("how", ["stop", "remove"])
def test_gone_back_by_hand(how: str) -> None:
    """`docker stop api`, or `rm -f`, and `docker start api-previous-1`: what serves then is not
    removed when the window ends."""
    house = swapped()
    house.clock.sleep(5.0)
    getattr(house.engine, how)("api")
    house.engine.start("api-previous-1")
    house.pass_watch()

    assert [each.name for each in house.engine.everyone() if each.runs] == ["api-previous-1"]


def test_the_one_before_the_one_before_runs() -> None:
    """Started by `docker compose restart` while the next replacement is under way, it is removed all
    the same: another serves."""
    house = overlapped()
    first = house.first.id
    house.write(BILLING, CRM)
    when(house, ("start", "api-successor-2"), lambda: house.engine.start(first))
    house.settle()
    house.pass_watch()

    house.check_in_step()


def test_gone_back_by_hand_for_a_moment() -> None:
    """Once the new one runs again, the old one, which is due, goes."""
    house = overlapped()
    house.clock.sleep(house.target.watch_s + 1)
    house.engine.start("api-previous-1")
    house.engine.stop("api")
    house.look()
    assert "api-previous-1" in house.all_names()

    house.engine.start("api")
    watch(house)
    assert house.all_names() == ["api"]
