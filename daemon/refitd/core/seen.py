"""What one look at the engine shows of all that a goal is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from refitd.core.companions import Companion
from refitd.core.container import Container
from refitd.core.proof import PENDING, Verdict

#: States in which a container counts as serving, or as brought up by the engine by itself.
SERVES = frozenset(("running", "paused", "restarting"))


@dataclass(frozen=True, slots=True)
class Pair:
    """A companion, as it was and as it is to be. `gate` as in `Seen`."""

    of: Companion
    old: Container | None = None
    new: Container | None = None
    gate: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at all that a goal is about.

    `gate` are the paths in which a successor, once created, differs from what was asked;
    `tag_image` is the image that the configured tag points to.
    """

    old: Container | None = None
    successor: Container | None = None
    canary: Container | None = None
    #: Who bears the final name, and is none of these: somebody gave it away meanwhile.
    stranger: Container | None = None
    #: In the goal's order, each after those it depends on.
    pairs: tuple[Pair, ...] = ()
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    gate: tuple[str, ...] = ()
    tag_image: str | None = None
    #: Who is down, and for all one can tell because the engine was: to be started again.
    interrupted: frozenset[str] = frozenset()
    #: Steps that were tried in vain, and are done without: see `core.spare`.
    vain: frozenset[tuple[str, str]] = frozenset()

    def is_interrupted(self, container: Container) -> bool:
        return container.id in self.interrupted

    @property
    def its_own(self) -> tuple[Container, ...]:
        """The target's containers, those that are there."""
        those = (self.old, self.successor, self.canary)
        return tuple(each for each in those if each is not None)

    @property
    def companions(self) -> tuple[Container, ...]:
        """Theirs, as they were and as they are to be."""
        those = (each for pair in self.pairs for each in (pair.old, pair.new))
        return tuple(each for each in those if each is not None)

    def verdict(self, container: Container) -> Verdict:
        return self.verdicts.get(container.id, PENDING)
