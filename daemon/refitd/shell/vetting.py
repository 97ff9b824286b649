"""What stands against replacing a target's container, and what its owner should know first.

The same questions for all who ask: the daemon before it builds and again before it replaces,
`refitd plan`, and `refitd doctor`. Nothing is changed by asking. What is thought of the answers
stands in `core/clone/refusal.py`, `core/clone/warning.py` and `core/strays.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from refitd.core import labels, recreate
from refitd.core.clone.residence import Server
from refitd.core.companions import Companion, companions_of, objections
from refitd.core.container import Container
from refitd.core.deployment import Snapshot
from refitd.core.goal import Way
from refitd.core.proof import falls_over
from refitd.core.route import way_of
from refitd.core.strays import doubles
from refitd.core.target import Target
from refitd.errors import EngineError
from refitd.ports import Engine, Journal


@dataclass(frozen=True, slots=True)
class Vetted:
    """The way it would go, and why; what is against it, and what is to be known, in sentences. With
    a refusal the container is left as it is.

    `falls_over`: it does so again and again, and is nothing good to go back to.
    """

    way: Way
    why: str
    refusals: tuple[str, ...] = ()
    #: Of these, those that say that it is not the only one of it that runs.
    doubles: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    falls_over: bool = False
    #: Who depends on it, and is brought along.
    companions: tuple[Companion, ...] = ()


@dataclass(frozen=True)
class Vetting:
    """For one target. `journal` is None where the database cannot be asked; `own_id` is the
    container that refitd runs in, if any."""

    target: Target
    engine: Engine
    journal: Journal | None
    own_id: str | None

    def of(self, container: Container, *, rebuild: bool = True) -> Vetted:
        """For a rebuild, or else for a toggle.

        The engine is looked at before the books: what is seen there then has its row, though a
        daemon be at work meanwhile.
        """
        info = self.engine.info()
        networks = self.engine.networks()
        everyone = self.engine.everyone()
        snapshot, server = self._books()
        refused = recreate.refusals(
            container.inspect,
            [other.inspect for other in everyone],
            self.own_id,
            info.api_version,
            networks,
            server=server,
            product=info.product,
        )
        of_it = doubles(everyone, container, self.target, snapshot) if snapshot else ()
        companions = _companions(container, everyone, snapshot)
        way, why = way_of(self.target, container, rebuild=rebuild, companions=companions)
        looping = falls_over(container, info.time)
        warned: tuple[str, ...] = (_NOTHING_GOOD,) if looping else ()
        if way != "restart":
            refused += tuple(objections(companions, everyone, self.target.name))
            files = self._own_files(container)
            strict = self.target.own_files == "refuse"
            refused += tuple(f"{said}; {_WAY_OUT}" for said in files if strict)
            warned += recreate.warnings(container.inspect, networks)
            warned += tuple(said for said in files if not strict)
        return Vetted(way, why, refused + of_it, of_it, warned, looping, companions)

    def _books(self) -> tuple[Snapshot | None, Server | None]:
        if self.journal is None:
            return None, None
        return self.journal.snapshot(self.target.name), self.journal.server()

    def _own_files(self, container: Container) -> tuple[str, ...]:
        """That they cannot be told is no reason to leave a target as it is for ever, unless its
        owner said that it is."""
        try:
            changed = self.engine.changed_files(container.id)
        except EngineError as error:
            if self.target.own_files == "refuse":
                raise
            return (f"whether it has files of its own could not be told: {error}",)
        said = recreate.own_files(container.inspect, changed)
        return (said,) if said else ()


def _companions(
    container: Container, everyone: Sequence[Container], snapshot: Snapshot | None
) -> tuple[Companion, ...]:
    """Without those that were replaced before, and those that are made for a look."""
    gone = {each.container_id for each in snapshot.retirees} if snapshot else set()
    probes = {each.id for each in everyone if each.labels.get(labels.ROLE) == labels.PROBE}
    return companions_of(container, everyone, gone | probes)


_NOTHING_GOOD = (
    "it falls over again and again: where its successor is not proven either, there is nothing"
    " good to go back to"
)
_WAY_OUT = 'keep them in a volume, or set `own_files = "warn"`'
