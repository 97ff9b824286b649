"""Whether a started container is proven, has failed, or is still to be waited for.

A running container is not a proven one. Docker's health status decides where there is a
HEALTHCHECK; else it must have run for a while with no restart counted. Probes, where set,
come on top; and what it was given (ports, networks, mounts) must be there, since an engine
may start a container without its ports and call it healthy (moby#51758).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from refitd.core.container import Container
from refitd.core.target import Health


@dataclass(frozen=True, slots=True)
class Verdict:
    """`cause` says why it failed, or what it is waiting for."""

    is_: Literal["pending", "proven", "failed"]
    cause: str = ""


#: Above the longest pause that the engine makes between two starts, a minute.
_JUST_NOW = timedelta(seconds=90)

#: The exit codes that the engine gives to what it could not start.
_NOT_STARTED = range(125, 129)
#: Policies by which the engine starts again whatever ends by itself.
_START_AGAIN = ("always", "unless-stopped")

PENDING = Verdict("pending", "not started")
PROVEN = Verdict("proven")


@dataclass(frozen=True, slots=True)
class Watch:
    """What the shell remembers of a container under proof.

    `since_s` is when it was first seen running, or when its connections were last cut;
    `last_check` the end of the last health check that counts for nothing, being from before.
    `probe` is what the probes said last: None where they were content or there are none.
    """

    since_s: float
    last_check: str = ""
    probe: str | None = None
    probed: bool = True
    restarts: int = 0


def judge(  # noqa: PLR0911 - one answer a case, in order of weight
    container: Container, watch: Watch | None, now_s: float, health: Health
) -> Verdict:
    """Judge one look at a container."""
    if container.state == "created":
        return PENDING
    fallen = _fallen(container, watch)
    if fallen:
        return Verdict("failed", fallen)
    if watch is None:
        return Verdict("pending", f"it is {container.state}")
    missing = misplaced(container) if container.runs else None
    if missing:
        return Verdict("failed", missing)
    wanting = _wanting(container, watch, now_s, health)
    if wanting is None:
        return PROVEN
    if now_s - watch.since_s >= health.deadline_s:
        return Verdict("failed", f"not proven within {health.deadline_s:g} s: {wanting}")
    return Verdict("pending", wanting)


def _fallen(container: Container, watch: Watch | None) -> str | None:
    if container.state in ("exited", "dead", "removing"):
        return f"it exited with code {container.exit_code}"
    if container.state == "restarting" or container.restart_count > (
        watch.restarts if watch else 0
    ):
        return f"it fell over and was restarted by the engine (exit code {container.exit_code})"
    if container.health == "unhealthy":
        return "its health check failed: " + (last_check_output(container) or "no output")
    return None


def _wanting(container: Container, watch: Watch, now_s: float, health: Health) -> str | None:
    if not container.runs:
        return f"it is {container.state}"
    if container.health == "starting":
        return "its health check has not passed yet"
    if container.health == "healthy":
        if watch.last_check and watch.last_check == last_check(container):
            return "its health check has not run again yet"
    elif now_s - watch.since_s < health.stable_s:
        return f"it has no health check and must run for {health.stable_s:g} s"
    if not watch.probed:
        return "it has not been probed yet"
    return watch.probe


def misplaced(container: Container) -> str | None:
    """What a started container was asked to have and lacks: a published port or a network."""
    host = container.inspect.get("HostConfig") or {}
    network = container.inspect.get("NetworkSettings") or {}
    bound = network.get("Ports") or {}
    for port in host.get("PortBindings") or {}:
        if not bound.get(port):
            return f"it was started without its published port {port}"
    for name, endpoint in (network.get("Networks") or {}).items():
        if name not in ("none", "host") and not (endpoint or {}).get("EndpointID"):
            return f"it was started without its network {name}"
    return None


def fell_over(container: Container | None, restarts: int = 0) -> str | None:
    """Why a container that was once proven counts as fallen, if it does.

    Stopped by a person it does not, though the engine calls the health of whatever is stopped
    unhealthy. With a policy that starts whatever ends by itself, whoever stays down was stopped,
    however it ended; with another, the exit code tells: 0, or the signals that `docker stop` sends.
    """
    if container is None:
        return None
    if container.runs and container.health == "unhealthy":
        return "its health check failed: " + (last_check_output(container) or "no output")
    if container.state == "restarting" or container.restart_count > restarts:
        return f"it fell over (exit code {container.exit_code})"
    return _why_it_ended(container) if container.state in ("exited", "dead") else None


def _why_it_ended(container: Container) -> str | None:
    state = container.inspect.get("State") or {}
    if state.get("OOMKilled"):
        return "it ran out of memory"
    if state.get("Error"):  # the engine keeps the exit code of the time before
        return f"it could not be started again: {state['Error']}"
    by_itself = container.exit_code not in (0, 137, 143)
    if container.restart_policy in _START_AGAIN:
        by_itself = container.exit_code in _NOT_STARTED
    return f"it exited with code {container.exit_code}" if by_itself else None


def falls_over(container: Container, now: str) -> bool:
    """Whether it does so again and again: the engine is about to start it once more, or did so
    just `now` (the engine's time, as its `started_at` is) and it has not got healthy since.

    One that was started again long ago, and has run since, is as good as any.
    """
    if container.state == "restarting":
        return True
    if not container.runs or container.restart_count == 0 or container.health == "healthy":
        return False
    began, at = _moment(container.started_at), _moment(now)
    return began is not None and at is not None and at - began < _JUST_NOW


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def last_check(container: Container) -> str:
    """The end time of the last health check, as the engine's text."""
    log = _health_log(container)
    return str(log[-1].get("End") or "") if log else ""


def last_check_output(container: Container) -> str:
    log = _health_log(container)
    return str(log[-1].get("Output") or "").strip()[-400:] if log else ""


def _health_log(container: Container) -> list[dict[str, object]]:
    state = container.inspect.get("State") or {}
    return list((state.get("Health") or {}).get("Log") or ())
