"""The gate: what it lets pass, and what it names."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from refitd.core import labels
from refitd.core.recreate import differences
from tests.core.recorded import recorded

Json = dict[str, Any]
OURS = {labels.TARGET: "panel", labels.REPLACES: "a" * 64}


@pytest.fixture
def old() -> Json:
    """A container with options of every area."""
    return recorded("everything", (1, 41))[0]


@pytest.fixture
def baseline() -> Json:
    """What its image supplies."""
    return recorded("everything", (1, 41))[1]


@pytest.fixture
def new(old: Json) -> Json:
    """Its likeness, as the engine would show it."""
    new = copy.deepcopy(old)
    new |= {"Id": "e" * 64, "Name": "/panel-next"}
    new["Config"]["Labels"] |= OURS
    front = new["NetworkSettings"]["Networks"]["front"]
    front["Aliases"] = ["api", "e" * 12]
    new["HostConfig"]["Mounts"] = [*new["HostConfig"]["Mounts"], *_by_name(old)]
    new["HostConfig"]["Mounts"][0]["Source"] = _volume(old, "/nameless")
    new["HostConfig"]["Binds"] = ["named:/named", _volume(old, "/loose") + ":/loose"]
    return new


def _volume(inspect: Json, path: str) -> str:
    return next(str(m["Name"]) for m in inspect["Mounts"] if m["Destination"] == path)


def _by_name(inspect: Json) -> list[Json]:
    return [
        {"Type": "volume", "Source": _volume(inspect, path), "Target": path}
        for path in ("/data", "/scratch")
    ]


def test_likeness_passes(old: Json, baseline: Json, new: Json) -> None:
    """Another identity, our labels and volumes by name are no difference."""
    assert differences(old, baseline, new, baseline, late=False) == ()


def test_changed_on_purpose(old: Json, baseline: Json, new: Json) -> None:
    """Neither are the restart policy, the hand-over variables and compose's image label."""
    new["HostConfig"]["RestartPolicy"] = {"Name": "no", "MaximumRetryCount": 0}
    new["Config"]["Env"] = [
        line for line in new["Config"]["Env"] if not line.startswith("REPLACING")
    ]
    new["Config"]["Labels"]["com.docker.compose.image"] = "sha256:new"
    del new["Config"]["Labels"]["com.docker.compose.replace"]
    assert differences(old, baseline, new, baseline, late=False) == ()


def _set(*path: str, to: object) -> Callable[[Json], None]:
    def change(inspect: Json) -> None:
        at = inspect
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = to

    return change


@pytest.mark.parametrize(
    "change,path",
    [
        (_set("Config", "User", to=""), "Config.User"),
        (_set("Config", "Env", to=["LEVEL=1"]), "Config.Env.LEVEL"),
        (_set("Config", "Hostname", to="other"), "Config.Hostname"),
        (_set("Config", "Labels", "maker", to="first"), "Config.Labels.maker"),
        (_set("Config", "Cmd", to=["false"]), "Config.Cmd"),
        (_set("Config", "ExposedPorts", to={"8080/tcp": {}}), "Config.ExposedPorts.9000/udp"),
        (_set("Config", "Healthcheck", "Interval", to=1), "Config.Healthcheck.Interval"),
        (_set("HostConfig", "PortBindings", to={}), "HostConfig.PortBindings"),
        (_set("HostConfig", "Memory", to=0), "HostConfig.Memory"),
        (_set("HostConfig", "Ulimits", to=[]), "HostConfig.Ulimits.nofile"),
        (_set("HostConfig", "MaskedPaths", to=["/proc/kcore"]), "HostConfig.MaskedPaths"),
        (_set("HostConfig", "Unheard", to="of"), "HostConfig.Unheard"),
        (_set("HostConfig", "NetworkMode", to="back"), "HostConfig.NetworkMode"),
        (
            _set("NetworkSettings", "Networks", "front", "Aliases", to=["other"]),
            "NetworkSettings.Networks.front.Aliases",
        ),
        (
            _set("NetworkSettings", "Networks", "front", "IPAMConfig", to={"IPv4Address": "x"}),
            "NetworkSettings.Networks.front.IPAMConfig",
        ),
    ],
)
def test_named(
    old: Json, baseline: Json, new: Json, change: Callable[[Json], None], path: str
) -> None:
    """What is lost, changed or added is named by its path."""
    change(new)
    assert path in differences(old, baseline, new, baseline, late=False)


def test_never_a_value(old: Json, baseline: Json, new: Json) -> None:
    """An environment holds secrets: no value gets into what is said."""
    old["Config"]["Env"].append("API_TOKEN=hunter2")
    new["Config"]["Env"].append("API_TOKEN=hunter3")
    assert differences(old, baseline, new, baseline) == ("Config.Env.API_TOKEN",)


def test_lost_volume(old: Json, baseline: Json, new: Json) -> None:
    """A fresh volume in place of the old one's data is a difference."""
    for mount in new["HostConfig"]["Mounts"]:
        if mount["Target"] == "/data":
            mount["Source"] = "f" * 64
    assert differences(old, baseline, new, baseline) == ("HostConfig.Mounts./data",)


def test_pinned_default(old: Json, baseline: Json, new: Json) -> None:
    """The old image's default on a container of a new image that has another is a difference."""
    supplied = copy.deepcopy(baseline)
    supplied["Config"] |= {"WorkingDir": "/opt"}
    assert differences(old, baseline, new, supplied) == ("Config.WorkingDir",)


def test_supplied_by_the_new_image(old: Json, baseline: Json, new: Json) -> None:
    """A wish that the new image happens to fulfil by itself is kept."""
    supplied = copy.deepcopy(baseline)
    supplied["Config"]["Env"].append("LEVEL=9")
    supplied["Config"]["User"] = "1000:1000"
    assert differences(old, baseline, new, supplied) == ()


def test_a_new_volume_of_the_image(old: Json, baseline: Json, new: Json) -> None:
    """A volume that only the new image declares is none of the owner's wishes."""
    supplied = copy.deepcopy(baseline)
    supplied["Config"]["Volumes"] = {"/data": {}, "/more": {}}
    new["Config"]["Volumes"]["/more"] = {}
    more = {"Type": "volume", "Name": "d" * 64, "Destination": "/more", "RW": True}
    new["Mounts"].append(more)
    assert differences(old, baseline, new, supplied) == ()


@pytest.mark.parametrize("said", [True, None])
def test_late(old: Json, baseline: Json, new: Json, said: bool | None) -> None:  # noqa: FBT001
    """Without its aliases, or one network, it passes as one that gets them late."""
    networks = new["NetworkSettings"]["Networks"]
    for endpoint in networks.values():
        endpoint["Aliases"] = ["e" * 12]
    assert differences(old, baseline, new, baseline, late=said) == ()
    del networks["back"]
    assert differences(old, baseline, new, baseline, late=said) == ()
    assert differences(old, baseline, new, baseline, late=False) == (
        "NetworkSettings.Networks.back",
        "NetworkSettings.Networks.back.Aliases",
        "NetworkSettings.Networks.front.Aliases",
    )
