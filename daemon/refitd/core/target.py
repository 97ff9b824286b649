"""A target as the settings describe it: plain values that the core and the shell work with.

`settings` reads and checks them; nothing here knows of files or environment variables.
All times are in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Source:
    """Where the backend's build context comes from: a git remote, or a local folder.

    Exactly one of `repo` and `path` is set.
    """

    repo: str | None = None
    path: str | None = None
    branch: str = "main"
    subdir: str = ""
    #: `http://` and `git://` beyond loopback are only used with this.
    insecure: bool = False
    #: Rebuild when the branch moves, without any row being written.
    follow: bool = False


@dataclass(frozen=True, slots=True)
class Build:
    """How the image is built. `args` are build arguments besides `MODULES`."""

    dockerfile: str = "Dockerfile"
    args: tuple[tuple[str, str], ...] = ()
    stage: str | None = None
    pull: bool = False
    timeout_s: float = 900.0


@dataclass(frozen=True, slots=True)
class HttpProbe:
    """`GET` must answer with `status`, and with `contains` in its body where that is set."""

    port: int
    path: str = "/"
    status: int = 200
    contains: str | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """When a started container counts as proven.

    Docker's own health status decides where the image has a HEALTHCHECK; else the container
    must have run for `stable_s` with no restart counted. The probes come on top.
    """

    deadline_s: float = 120.0
    stable_s: float = 5.0
    interval_s: float = 0.5
    timeout_s: float = 5.0
    http: HttpProbe | None = None
    tcp_port: int | None = None
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """One backend container that is kept in step with the rows watched for it."""

    name: str
    container: str
    image: str
    source: Source
    build: Build = field(default_factory=Build)
    health: Health = field(default_factory=Health)
    strategy: Literal["auto", "swap", "overlap"] = "auto"
    #: Two of it may run side by side and both serve.
    concurrent: bool = False
    #: A second one may run beside it for a moment, without ports and names.
    canary: bool = True
    traffic_network: str | None = None
    drain_s: float = 0.0
    #: Run in the old one before its stop signal, for so long at most.
    drain_command: tuple[str, ...] = ()
    drain_timeout_s: float = 30.0
    #: What it wrote into its own layer, where no volume is, is not carried over to a new one.
    own_files: Literal["warn", "refuse"] = "warn"
    adopt: Literal["wait", "rebuild"] = "wait"
    #: How long a new container is watched; its predecessor is kept (stopped) for as long.
    watch_s: float = 60.0
    #: Images of earlier deployments that are kept besides the running one.
    keep_images: int = 1


@dataclass(frozen=True, slots=True)
class Timing:
    """The daemon's own rhythm, one for all targets."""

    look_quiet_s: float = 0.5
    quiet_s: float = 2.0
    longest_wait_s: float = 15.0
    poll_s: float = 30.0
    suspect_poll_s: float = 3.0
    lease_s: float = 15.0
    heartbeat_s: float = 3.0
    heartbeat_deadline_s: float = 2.0
    #: How often newer changes may cancel a build in progress before one is let through.
    cancel_limit: int = 3
    retry_first_s: float = 10.0
    retry_longest_s: float = 600.0
    log_retention_days: float = 30.0
