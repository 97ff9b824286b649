"""What refitd calls a target: a table, and a backend that is kept in step with it."""

import json
import urllib.request
from dataclasses import dataclass, field

from panel import Panel


@dataclass
class Target:
    """One panel with its backend. It is reached at `url` by whoever is not a container."""

    name: str
    url: str
    panel: Panel
    #: Of two modes that refitd knows, the gentler one: two of it may run side by side.
    concurrent: bool = False
    #: What it consisted of when it was last looked at: built in, and on.
    last_good: tuple[list[str], list[str]] = field(default_factory=lambda: ([], []))

    @property
    def container(self) -> str:
        """Its container's name."""
        return f"{self.name}-backend"

    @property
    def image(self) -> str:
        """The tag that moves."""
        return f"refitd-demo/{self.name}:latest"

    def running(self) -> tuple[list[str], list[str]]:
        """What the backend itself says: the modules built in, and those that are on."""
        with urllib.request.urlopen(f"{self.url}/modules", timeout=10) as answer:  # noqa: S310 - ours
            said = json.load(answer)
        return sorted(module["id"] for module in said["modules"]), said["enabled"]
