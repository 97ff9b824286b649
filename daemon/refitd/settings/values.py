"""The settings as the rest of refitd sees them: checked, complete, frozen."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from refitd.core.target import Target, Timing

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "json", "pretty"]


@dataclass(frozen=True, slots=True)
class LogSettings:
    """How loud, and in what shape; `auto` is pretty on a terminal and JSON elsewhere."""

    level: Level = "info"
    format: Format = "auto"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that `refitd` is told before it starts. Its repr shows no secret."""

    dsn: str = field(repr=False)
    docker_host: str | None = field(repr=False)
    state_dir: Path
    #: Repos and build arguments may hold tokens, so the repr leaves the targets out.
    targets: tuple[Target, ...] = field(repr=False)
    timing: Timing = field(default_factory=Timing)
    log: LogSettings = field(default_factory=LogSettings)
    metrics_port: int | None = None
    metrics_address: str = "127.0.0.1"
    #: Who holds the leases. Where unset, an id is made once and kept in `state_dir`.
    instance: str | None = None
    #: The file that was read, if any.
    file: Path | None = None
    #: What a person should hear at start though it stops nothing.
    notes: tuple[str, ...] = ()
