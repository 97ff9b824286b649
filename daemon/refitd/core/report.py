"""What `refitd once` did and what `refitd plan` would do, as values to be shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from refitd.core.deployment import Status


@dataclass(frozen=True, slots=True)
class OnceResult:
    """What one look at a target came to. `action` is empty where there was nothing to do."""

    target: str
    action: str
    reason: str
    state: Status | Literal["nothing"]
    error: str | None = None

    @property
    def ok(self) -> bool:
        return self.state in {"nothing", "succeeded"} and self.error is None


@dataclass(frozen=True, slots=True)
class PlanView:
    """What would be done about a target now, and why, step by step.

    `gate` are the fields in which a new container would differ from the old one in what was asked
    for: paths, never values. None where there would be no new one, or none was tried.
    """

    target: str
    decision: str
    reason: str
    steps: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()
    gate: tuple[str, ...] | None = None
