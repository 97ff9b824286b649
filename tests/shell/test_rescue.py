"""Without Postgres, a starting daemon starts the old one where nobody serves, and no more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from refitd.core import labels
from refitd.core.container import Container, State
from refitd.shell.rescue import falling_over, old_one_to_start, put_aside

OLD = Container("old", "api", "image-1", "exited", restart_policy="always")
NEW = Container(
    "new",
    "api-successor-41",
    "image-2",
    "created",
    labels={
        labels.ROLE: labels.SUCCESSOR,
        labels.INSTANCE: "one",
        labels.REPLACES: "old",
        labels.FINAL_NAME: "api",
        labels.OLD_STATE: "running",
    },
)


def with_label(container: Container, key: str, value: str) -> Container:
    """The same with another label."""
    return replace(container, labels={**container.labels, key: value})


def test_old_one_stopped() -> None:
    """The old one was stopped and the new one does not run: the old one is started."""
    for state in ("created", "exited", "dead"):
        assert old_one_to_start((OLD, replace(NEW, state=state)), "one") == "old"


@pytest.mark.parametrize("state", ["running", "paused", "restarting"])
def test_the_old_one_serves(state: State) -> None:
    """Where it runs, is paused, or is brought up by the engine, nothing is done."""
    assert old_one_to_start((replace(OLD, state=state), NEW), "one") is None


@pytest.mark.parametrize("state", ["running", "paused"])
def test_the_new_one_serves(state: State) -> None:
    """Nobody can say yet that it does not: nothing is done."""
    new = replace(NEW, state=state)

    assert old_one_to_start((OLD, new), "one") is None
    assert falling_over((OLD, new), "one") == ()


@pytest.mark.parametrize(
    "new",
    [
        replace(NEW, state="restarting"),
        replace(NEW, state="running", restart_count=2),
        replace(NEW, state="running", restart_count=2, health="starting"),
        replace(NEW, state="running", health="unhealthy"),
    ],
    ids=["waits for its next start", "has been started again", "not healthy since", "unhealthy"],
)
def test_the_new_one_falls_over(new: Container) -> None:
    """One that the engine starts again and again, or that is ill, holds the ports and does not
    serve: it is stopped, and the old one started. That of another daemon is its own."""
    assert old_one_to_start((OLD, new), "one") == "old"
    assert falling_over((OLD, new), "one") == ("new",)
    assert falling_over((OLD, new), "two") == ()


def test_the_new_one_has_recovered() -> None:
    """Healthy is healthy, however often it was started."""
    new = replace(NEW, state="running", restart_count=2, health="healthy")

    assert old_one_to_start((OLD, new), "one") is None


def test_canary() -> None:
    """A canary serves nobody."""
    canary = with_label(replace(NEW, id="c", state="running"), labels.ROLE, labels.CANARY)

    assert old_one_to_start((OLD, NEW, canary), "one") == "old"


def test_of_another_instance() -> None:
    """What another daemon was doing is its own."""
    assert old_one_to_start((OLD, NEW), "two") is None


def test_done() -> None:
    """Names move last: a successor that bears the final one was proven, and somebody stopped
    it."""
    done = replace(NEW, name="api", state="exited")
    old = replace(OLD, name="api-previous-41", restart_policy="no")

    assert old_one_to_start((old, done), "one") is None


def test_being_put_back() -> None:
    """... unless the old one has its policy back: then it was being put back."""
    done = replace(NEW, name="api", state="exited")
    old = replace(OLD, name="api-previous-41")

    assert old_one_to_start((old, done), "one") == "old"


def test_stopped_by_its_owner() -> None:
    """One that was found stopped is left so."""
    assert old_one_to_start((OLD, with_label(NEW, labels.OLD_STATE, "stopped")), "one") is None


def test_gone() -> None:
    """One that is not there cannot be started."""
    assert old_one_to_start((NEW,), "one") is None
    assert old_one_to_start((), "one") is None


def test_born_of_the_old_hand_over() -> None:
    """At its start it stops whoever bears its name: then nobody does so, neither it nor, on the
    way back from a watch window, the one that had replaced it."""
    born = replace(OLD, inspect={"Config": {"Env": ["A=1", "REPLACING_CONTAINER=api"]}})
    new = with_label(NEW, labels.DEPLOYMENT, "41")

    assert put_aside((OLD, new), "old") == ()
    assert put_aside((born, new), "old") == (("old", "api-previous-41"),)
    had_replaced = replace(new, name="api")
    born = replace(born, name="api-previous-41")
    assert put_aside((born, had_replaced), "old") == (("new", "api-successor-41"),)
