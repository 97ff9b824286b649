"""What a test may script of the model engine: how builds go, and which calls fail."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from refitd.core.building import BuildLine, read_line
from refitd.errors import BuildCancelled, BuildFailed
from tests.contracts.model_container import Behaviour

When = Literal["before", "after"]


@dataclass
class Build:
    """A scripted build. With `until`, it is silent until that is set (or it is cancelled)."""

    lines: Sequence[str] = ("Step 1/2 : FROM base", "Step 2/2 : RUN make")
    error: Exception | str | None = None
    behaviour: Behaviour = field(default_factory=lambda: Behaviour("healthy"))
    config: Mapping[str, Any] = field(default_factory=dict)
    until: threading.Event | None = None
    began: threading.Event = field(default_factory=threading.Event)


def carry_out(
    build: Build, on_line: Callable[[BuildLine], None], cancelled: Callable[[], bool]
) -> None:
    """Say its lines, wait for what it waits for, and end as it is to end."""
    build.began.set()
    for line in build.lines:
        on_line(read_line(line))
    while True:
        if cancelled():
            raise BuildCancelled("the build was cancelled")
        if build.until is None or build.until.wait(0.01):
            break
    if isinstance(build.error, str):
        raise BuildFailed(build.error)
    if build.error is not None:
        raise build.error


@dataclass
class Fault:
    """One call that is to fail, before or after its work, when `skip` others went well."""

    call: str
    when: When
    error: Exception
    skip: int = 0


class Faults:
    """Failures that wait for their call; each comes once."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, call: str, when: When, error: Exception, skip: int) -> None:
        """Behind those that wait already."""
        self._waiting.append(Fault(call, when, error, skip))

    def next(self, call: str) -> Fault | None:
        """The failure of this call, if it is to fail."""
        fault = next((fault for fault in self._waiting if fault.call == call), None)
        if fault is None:
            return None
        if fault.skip > 0:
            fault.skip -= 1
            return None
        self._waiting.remove(fault)
        return fault
