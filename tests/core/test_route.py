"""From a decision to a goal: the way, and what stands in the goal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from refitd.core.container import Container, State
from refitd.core.deployment import Record
from refitd.core.goal import Goal
from refitd.core.route import forebears, make_goal, own_tag, repository, way_of
from refitd.core.target import Source, Target

TARGET = Target("backend", "api", "registry:5000/api:latest", Source(path="/srv"))


def old(state: State = "running", *, network: str = "web", env: tuple[str, ...] = ()) -> Container:
    """A container on a network of its own."""
    inspect: dict[str, Any] = {
        "Id": "a" * 64,
        "Name": "/api",
        "Config": {"Env": list(env), "Hostname": "a" * 12},
        "HostConfig": {"NetworkMode": network},
        "NetworkSettings": {"Networks": {network: {"Aliases": ["backend", "a" * 12]}}},
    }
    return Container(
        "a" * 64,
        "api",
        "image-1",
        state,
        networks={network: ("backend", "a" * 12)},
        inspect=inspect,
        started_at="noon",
        restart_policy="always",
    )


CONCURRENT = replace(TARGET, concurrent=True)

WAYS: dict[str, tuple[Target, Container, bool, str]] = {
    "rebuild": (TARGET, old(), True, "swap"),
    "rebuild, side by side": (CONCURRENT, old(), True, "overlap"),
    "rebuild of a stopped one": (CONCURRENT, old("exited"), True, "swap"),
    "rebuild of a paused one": (CONCURRENT, old("paused"), True, "swap"),
    "rebuild of a looping one": (CONCURRENT, old("restarting"), True, "overlap"),
    "toggle": (TARGET, old(), False, "restart"),
    "toggle, side by side": (CONCURRENT, old(), False, "overlap"),
    "toggle of a stopped one": (TARGET, old("exited"), False, "swap"),
    "toggle, born of a hand-over": (TARGET, old(env=("REPLACING_CONTAINER=x",)), False, "swap"),
}


@pytest.mark.parametrize("target, container, rebuild, way", WAYS.values(), ids=WAYS.keys())
def test_way(target: Target, container: Container, way: str, *, rebuild: bool) -> None:
    """The way, which never makes a stopped or paused container a running one."""
    chosen, why = way_of(target, container, rebuild=rebuild)

    assert chosen == way
    assert why


def goal(
    target: Target, *, rebuild: bool = True, way: Any = "swap", of: Container | None = None
) -> Goal:
    """A goal for the container above."""
    return make_goal(
        target,
        of or old(),
        deployment=41,
        epoch=3,
        way=way,
        image_id="image-2",
        tag=own_tag(target, 41),
        tagged="image-1",
        before=Record("a" * 64, "image-1", "noon", "key", ("crm",), ("crm",)),
        api_version=(1, 41),
        rebuild=rebuild,
    )


def test_goal() -> None:
    """A goal survives being written down."""
    for each in (goal(TARGET), goal(CONCURRENT, way="overlap")):
        assert Goal.from_json(each.to_json()) == each
        assert Goal.from_json(each.to_json() | {"unheard_of": 1}) == each


def test_record_in_goal() -> None:
    """What was known of the old one is in it, for the day it is put back."""
    record = goal(TARGET).record_before

    assert record
    assert (record.container_id, record.modules) == ("a" * 64, ("crm",))
    assert replace(goal(TARGET), before=None).record_before is None


def test_late() -> None:
    """In overlap the names are due late, the final one among them, those made of ids not."""
    assert goal(CONCURRENT, way="overlap").late == {"web": ("backend", "api")}
    assert goal(TARGET).late == {}


def test_late_endpoints() -> None:
    """What it is connected with then is in the goal, whoever is still there by then to read it
    off; of a traffic network, to be on it at all is what is waited for."""
    assert goal(CONCURRENT, way="overlap").endpoints == {"web": {"Aliases": ["backend", "api"]}}
    inspect = old().inspect
    networks = {"web": {"Aliases": ["backend"]}, "db": {}}
    two = replace(
        old(),
        networks={"web": ("backend",), "db": ()},
        inspect={**inspect, "NetworkSettings": {"Networks": networks}},
    )
    there = goal(replace(CONCURRENT, traffic_network="web"), way="overlap", of=two)
    assert there.late == {"web": ()}
    assert there.endpoints == {"web": {"Aliases": ["backend", "api"]}}


def test_canary() -> None:
    """A canary is part of the ways that stop the old one, and not where the settings say no."""
    assert goal(TARGET).canary
    assert not goal(CONCURRENT, way="overlap").canary
    assert not goal(replace(TARGET, canary=False)).canary


def test_tag_of_a_restart() -> None:
    """A restart moves no tag."""
    assert goal(TARGET, rebuild=False).configured_tag is None


def test_repository() -> None:
    """A registry's port is no tag."""
    assert repository("api") == "api"
    assert repository("api:1") == "api"
    assert repository("registry:5000/api") == "registry:5000/api"
    assert own_tag(TARGET, 7) == "registry:5000/api:refitd-7"


def test_forebears() -> None:
    """Those before are read off its label."""
    labelled = replace(old(), labels={"dev.refitd.forebears": "b,c"})

    assert forebears(labelled) == ("b", "c")
    assert forebears(old()) == ()
