"""A field that this code has never heard of, in what each engine showed, is carried."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from refitd.core.recreate import Clone, create_request, differences
from tests.core.recorded import VERSIONS, recorded

Json = dict[str, Any]
UNHEARD = {"of": ["yet", 1]}

#: Where it stands in an inspect, and where in a request.
_PLACES: dict[str, tuple[Callable[[Json], Any], Callable[[Json], Any]]] = {
    "of the configuration": (lambda old: old["Config"], lambda body: body),
    "of the health check": (
        lambda old: old["Config"]["Healthcheck"],
        lambda body: body["Healthcheck"],
    ),
    "of the host's": (lambda old: old["HostConfig"], lambda body: body["HostConfig"]),
    "of a mount": (
        lambda old: old["HostConfig"]["Mounts"][0],
        lambda body: body["HostConfig"]["Mounts"][0],
    ),
    "of a device": (
        lambda old: old["HostConfig"]["Devices"][0],
        lambda body: body["HostConfig"]["Devices"][0],
    ),
    "of a limit": (
        lambda old: old["HostConfig"]["Ulimits"][0],
        lambda body: body["HostConfig"]["Ulimits"][0],
    ),
    "of a port": (
        lambda old: old["HostConfig"]["PortBindings"]["8080/tcp"][0],
        lambda body: body["HostConfig"]["PortBindings"]["8080/tcp"][0],
    ),
    "of the log": (
        lambda old: old["HostConfig"]["LogConfig"],
        lambda body: body["HostConfig"]["LogConfig"],
    ),
    "of the restart policy": (
        lambda old: old["HostConfig"]["RestartPolicy"],
        lambda body: body["HostConfig"]["RestartPolicy"],
    ),
    "of an endpoint": (
        lambda old: old["NetworkSettings"]["Networks"]["front"],
        lambda body: body["NetworkingConfig"]["EndpointsConfig"]["front"],
    ),
}


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: f"api {version[0]}.{version[1]}")
@pytest.mark.parametrize("place", _PLACES)
def test_an_unheard_field_is_carried(version: tuple[int, int], place: str) -> None:
    """Wherever it stands; and a successor without it does not pass the gate."""
    stands, goes = _PLACES[place]
    old, baseline = recorded("everything", version)
    without, _ = recorded("everything", version)
    stands(old)["Unheard"] = UNHEARD
    plan = Clone("next", "panel:2", "panel", api_version=version, restart_policy=("on-failure", 4))
    assert goes(dict(create_request(old, baseline, plan).body))["Unheard"] == UNHEARD
    gate = differences(old, baseline, without, baseline, late=False)
    assert len(gate) == (place != "of the restart policy")
