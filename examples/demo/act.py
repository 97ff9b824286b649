"""A scene as it went."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from audit import Event
from load import Tally
from scenes import Scene
from target import Target


@dataclass
class Act:
    """What was played, what came of it, and what is wrong with that."""

    scene: Scene
    target: Target
    began: float
    events: Sequence[Event] = ()
    deployments: Sequence[dict[str, Any]] = ()
    tally: Tally = field(default_factory=lambda: Tally(0, (), 0.0))
    faults: Sequence[str] = ()
    took_s: float = 0.0

    @property
    def deployment(self) -> dict[str, Any] | None:
        """The one that there should be."""
        return self.deployments[-1] if self.deployments else None
