"""Values of a build: what is asked of the engine, what its stream says, what comes out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_STEP = re.compile(r"Step (\d+)/(\d+) : ")


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """One build. Exactly one of `remote` (a git context URL) and `context` (a folder) is set."""

    tag: str
    remote: str | None = None
    context: str | None = None
    dockerfile: str = "Dockerfile"
    args: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    stage: str | None = None
    pull: bool = False
    no_cache: bool = False
    timeout_s: float = 900.0


@dataclass(frozen=True, slots=True)
class BuildLine:
    """A line of the build's output; `step` and `total` where it begins a new step."""

    text: str
    step: int | None = None
    total: int | None = None


def read_line(text: str) -> BuildLine:
    """
    >>> read_line("Step 3/9 : RUN make")
    BuildLine(text='Step 3/9 : RUN make', step=3, total=9)
    """
    found = _STEP.match(text)
    if not found:
        return BuildLine(text)
    return BuildLine(text, int(found[1]), int(found[2]))
