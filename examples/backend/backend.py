"""What this build contains, what of it is enabled, and how far its start has come."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import ModuleType

from routes import Query, Response, Routes


def now() -> str:
    """Give the time as JSON takes it."""
    return datetime.now(UTC).isoformat()


@dataclass
class Backend:
    """The modules of one run; healthy from when all that are enabled have started."""

    modules: Mapping[str, ModuleType]
    versions: Mapping[str, str]
    routes: Routes = field(default_factory=Routes)
    enabled: list[str] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    healthy: bool = False
    started_at: str = field(default_factory=now)

    def __post_init__(self) -> None:
        """Add the paths that are there whatever the modules are."""
        self.routes.add("/", self._welcome)
        self.routes.add("/health", self._health)
        self.routes.add("/info", self._info)
        self.routes.add("/modules", self._modules)

    def start(self, enabled: list[str]) -> None:
        """Start the enabled modules, one after the other.

        One that is enabled but not in this build is no fault of this build: its turn comes
        with the next one.
        """
        self.enabled = enabled
        for id_ in enabled:
            if module := self.modules.get(id_):
                module.start(self.routes)
                self.started.append(id_)
                print(f"started {id_}")
        self.healthy = True

    def _modules(self, _: Query) -> object:
        built_in = [{"id": id_, "version": self.versions.get(id_)} for id_ in self.modules]
        return {"modules": built_in, "enabled": self.enabled}

    def _health(self, _: Query) -> Response:
        return Response(
            200 if self.healthy else 503,
            {"healthy": self.healthy, "enabled": self.enabled, "started": self.started},
        )

    def _info(self, _: Query) -> object:
        return {
            "hostname": socket.gethostname(),
            "container_name": os.environ.get("CONTAINER_NAME"),
            "started_at": self.started_at,
        }

    def _welcome(self, _: Query) -> str:
        lines = [f"  {path}\n" for path in self.routes.paths()]
        return f"A backend of {len(self.modules)} modules.\n\n" + "".join(lines)
