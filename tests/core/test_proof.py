"""When a started container is proven, has failed, or must be waited for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from refitd.core.container import Container, State
from refitd.core.proof import (
    PENDING,
    PROVEN,
    Verdict,
    Watch,
    fell_over,
    judge,
    last_check_output,
    misplaced,
)
from refitd.core.target import Health

HEALTH = Health(deadline_s=20.0, stable_s=5.0)
WATCH = Watch(since_s=100.0)


def seen(state: State = "running", **values: Any) -> Container:
    """One look."""
    return Container("c", "api", "i", state, **values)


def checked(output: str = "", end: str = "t1") -> dict[str, Any]:
    """Inspect data with a health log."""
    return {"State": {"Health": {"Log": [{"End": end, "Output": output}]}}}


def test_not_started() -> None:
    """What was never started is waited for."""
    assert judge(seen("created"), None, 0, HEALTH) == PENDING


def test_healthy() -> None:
    """Docker's health status decides where there is one."""
    assert judge(seen(health="healthy"), WATCH, 100, HEALTH) == PROVEN


def test_starting() -> None:
    """Until it does, it is waited for, up to the deadline."""
    container = seen(health="starting")

    assert judge(container, WATCH, 119, HEALTH).is_ == "pending"
    verdict = judge(container, WATCH, 120, HEALTH)
    assert verdict.is_ == "failed"
    assert verdict.cause == "not proven within 20 s: its health check has not passed yet"


def test_unhealthy() -> None:
    """A failed check is a failure at once, with the check's own words."""
    container = seen(health="unhealthy", inspect=checked("no table"))

    assert judge(container, WATCH, 100, HEALTH) == Verdict(
        "failed", "its health check failed: no table"
    )
    bare = judge(seen(health="unhealthy"), WATCH, 100, HEALTH)
    assert bare.cause.endswith("no output")


def test_without_health_check() -> None:
    """A running container is not a proven one: it must have run for a while."""
    assert judge(seen(), WATCH, 104.9, HEALTH).is_ == "pending"
    assert judge(seen(), WATCH, 105, HEALTH) == PROVEN


@pytest.mark.parametrize("state", ["exited", "dead", "removing", "restarting"])
def test_fell_over(state: State) -> None:
    """One that ended has failed, and so has one that the engine had to start again."""
    assert judge(seen(state, exit_code=3), WATCH, 100, HEALTH).is_ == "failed"
    assert judge(seen(restart_count=1), WATCH, 100, HEALTH).is_ == "failed"


def test_restarts_from_before() -> None:
    """Restarts that were counted before it was watched are not held against it."""
    watch = replace(WATCH, restarts=2)

    assert judge(seen(restart_count=2), watch, 105, HEALTH) == PROVEN
    assert judge(seen(restart_count=3), watch, 105, HEALTH).is_ == "failed"


def test_first_look() -> None:
    """One that is not watched yet is waited for."""
    assert judge(seen(), None, 100, HEALTH).is_ == "pending"


def test_paused_by_somebody() -> None:
    """One that somebody pauses is not waited for without an end."""
    assert judge(seen("paused"), WATCH, 110, HEALTH) == Verdict("pending", "it is paused")
    assert judge(seen("paused"), WATCH, 120, HEALTH).is_ == "failed"


def test_check_from_before() -> None:
    """After its connections were cut, the last check before that counts for nothing."""
    watch = replace(WATCH, last_check="t1")

    old = judge(seen(health="healthy", inspect=checked(end="t1")), watch, 100, HEALTH)
    new = judge(seen(health="healthy", inspect=checked(end="t2")), watch, 100, HEALTH)
    assert (old.is_, new.is_) == ("pending", "proven")


def test_probe() -> None:
    """Probes come on top: not asked yet, and what they said."""
    healthy = seen(health="healthy")

    unasked = judge(healthy, replace(WATCH, probed=False), 100, HEALTH)
    assert unasked.cause == "it has not been probed yet"
    wrong = judge(healthy, replace(WATCH, probe="it answered 503"), 100, HEALTH)
    assert wrong == Verdict("pending", "it answered 503")


def test_misplaced() -> None:
    """A port or a network that it was started without is a failure, healthy or not."""
    port = {
        "HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": "8080"}]}},
        "NetworkSettings": {"Ports": {"80/tcp": None}},
    }
    network = {"NetworkSettings": {"Networks": {"web": {"EndpointID": ""}}}}
    host = {"NetworkSettings": {"Networks": {"host": {"EndpointID": ""}, "none": None}}}

    for inspect, word in [(port, "port 80/tcp"), (network, "network web")]:
        verdict = judge(seen(health="healthy", inspect=inspect), WATCH, 100, HEALTH)
        assert verdict.is_ == "failed"
        assert word in verdict.cause
    assert misplaced(seen(inspect=host)) is None


def test_fallen_in_its_watch_window() -> None:
    """Later it has fallen over by its health, a restart, its exit code, or for want of memory;
    not where a person stopped it."""
    oom = {"State": {"OOMKilled": True}}

    assert fell_over(None) is None
    assert fell_over(seen(health="healthy")) is None
    assert "health check" in (fell_over(seen(health="unhealthy")) or "")
    assert fell_over(seen("restarting", exit_code=1)) == "it fell over (exit code 1)"
    assert fell_over(seen(restart_count=1))
    assert fell_over(seen("exited", exit_code=1)) == "it exited with code 1"
    assert fell_over(seen("exited", exit_code=137, inspect=oom)) == "it ran out of memory"
    for code in (0, 137, 143):
        assert fell_over(seen("exited", exit_code=code)) is None
        assert fell_over(seen("exited", exit_code=code, health="unhealthy")) is None
        taken = {"State": {"Error": "port is already allocated"}}
        assert "port is" in (fell_over(seen("exited", exit_code=code, inspect=taken)) or "")


def test_long_output() -> None:
    """Of a long output the end is kept."""
    assert last_check_output(seen(inspect=checked("x" * 999 + "end")))[-3:] == "end"
    assert len(last_check_output(seen(inspect=checked("x" * 999)))) == 400
