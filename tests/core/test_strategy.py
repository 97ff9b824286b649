"""Side by side or one after the other, and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from refitd.core.strategy import canary_objection, choose
from refitd.core.target import Source, Target

Json = dict[str, Any]
FIT = Target("backend", "panel", "panel:latest", Source(path="/srv"), concurrent=True)


def inspect() -> Json:
    """A container that may be overlapped."""
    return {
        "Id": "a" * 64,
        "Name": "/panel",
        "Config": {"Hostname": "a" * 12, "Labels": {}},
        "HostConfig": {"NetworkMode": "front", "PortBindings": None},
        "NetworkSettings": {"Networks": {"front": {"Aliases": ["api"]}, "back": {}}},
    }


def test_overlap_where_declared_and_possible() -> None:
    """`auto` overlaps a container that is declared fit and holds nothing exclusive."""
    strategy, reason = choose(FIT, inspect())
    assert strategy == "overlap"
    assert "side by side" in reason


def test_swap_where_asked_for() -> None:
    """`swap` in the settings is taken at its word."""
    assert choose(replace(FIT, strategy="swap"), inspect())[0] == "swap"


def test_overlap_needs_its_declaration() -> None:
    """Nobody overlaps what was not declared fit, not even when asked to."""
    target = replace(FIT, concurrent=False, strategy="overlap")
    strategy, reason = choose(target, inspect())
    assert strategy == "swap"
    assert "concurrent = true" in reason


def _put(*path: str, to: object) -> Callable[[Json], None]:
    def change(raw: Json) -> None:
        at = raw
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = to

    return change


@pytest.mark.parametrize(
    "change,word",
    [
        pytest.param(_put(*path.split("."), to=to), word, id=name)
        for name, path, to, word in (
            ("port", "HostConfig.PortBindings", {"80/tcp": [{"HostPort": "80"}]}, "host ports"),
            ("all ports", "HostConfig.PublishAllPorts", True, "host ports"),
            ("host", "HostConfig.NetworkMode", "host", "user-defined network"),
            ("none", "HostConfig.NetworkMode", "none", "user-defined network"),
            ("default", "HostConfig.NetworkMode", "default", "user-defined network"),
            ("another", "HostConfig.NetworkMode", "container:b", "user-defined network"),
            (
                "address",
                "NetworkSettings.Networks.back",
                {"IPAMConfig": {"IPv4Address": "192.0.2.1"}},
                "fixed address on network back",
            ),
            ("card", "Config.MacAddress", "02:00:00:00:00:01", "MAC"),
            (
                "second card",
                "NetworkSettings.Networks.back",
                {"MacAddress": "00:16:3e:00:00:01"},
                "MAC",
            ),
            ("hostname", "Config.Hostname", "api", "hostname"),
        )
    ],
)
def test_what_stands_against_overlap(change: Callable[[Json], None], word: str) -> None:
    """Whatever only one container can hold makes it a swap, with the reason."""
    raw = inspect()
    change(raw)
    for wish in ("auto", "overlap"):
        strategy, reason = choose(replace(FIT, strategy=wish), raw)
        assert strategy == "swap"
        assert word in reason


def test_a_hostname_is_no_matter_with_a_traffic_network() -> None:
    """A late one is not on its traffic network, so its hostname draws nothing there."""
    raw = inspect()
    raw["Config"]["Hostname"] = "api"
    assert choose(replace(FIT, traffic_network="front"), raw)[0] == "overlap"


def test_traffic_network_it_is_not_on() -> None:
    """A traffic network that it is not on cannot be bound late."""
    strategy, reason = choose(replace(FIT, traffic_network="edge"), inspect())
    assert (strategy, "edge" in reason) == ("swap", True)


def test_canary() -> None:
    """A canary is fine, but where the settings or a shared network say no."""
    assert canary_objection(FIT, inspect()) is None
    assert "canary = false" in str(canary_objection(replace(FIT, canary=False), inspect()))
    for mode in ("host", "container:" + "b" * 64):
        raw = inspect()
        raw["HostConfig"]["NetworkMode"] = mode
        assert "network" in str(canary_objection(FIT, raw))
