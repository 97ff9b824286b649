"""What stands against replacing a target's container, and what its owner should know first.

The same questions for all who ask: the daemon before it builds and again before it replaces,
`refitd plan`, and `refitd doctor`. Nothing is changed by asking. What is thought of the answers
stands in `core/clone/refusal.py`, `core/clone/warning.py` and `core/strays.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from refitd.core import recreate
from refitd.core.clone.residence import Server
from refitd.core.container import Container
from refitd.core.deployment import Snapshot
from refitd.core.proof import falls_over
from refitd.core.strays import doubles
from refitd.core.target import Target
from refitd.errors import EngineError
from refitd.ports import Engine, Journal


@dataclass(frozen=True, slots=True)
class Vetted:
    """Sentences. With a refusal the container is left as it is; a warning is only said.

    `falls_over`: it does so again and again, and is nothing good to go back to.
    """

    refusals: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    falls_over: bool = False


@dataclass(frozen=True)
class Vetting:
    """For one target. `journal` is None where the database cannot be asked; `own_id` is the
    container that refitd runs in, if any."""

    target: Target
    engine: Engine
    journal: Journal | None
    own_id: str | None

    def of(self, container: Container, *, made_anew: bool = True) -> Vetted:
        """`made_anew`: it is to be replaced, and not only started again.

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
        if snapshot is not None:
            refused += doubles(everyone, container, self.target, snapshot)
        looping = falls_over(container, info.time)
        warned: tuple[str, ...] = (_NOTHING_GOOD,) if looping else ()
        if made_anew:
            files = self._own_files(container)
            strict = self.target.own_files == "refuse"
            refused += tuple(f"{said}; {_WAY_OUT}" for said in files if strict)
            warned += recreate.warnings(container.inspect, networks)
            warned += tuple(said for said in files if not strict)
        return Vetted(refused, warned, looping)

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


_NOTHING_GOOD = (
    "it falls over again and again: where its successor is not proven either, there is nothing"
    " good to go back to"
)
_WAY_OUT = 'keep them in a volume, or set `own_files = "warn"`'
