"""Some daemons on one target: a database, an engine, and wires that go wrong.

All that runs here is the daemon's own code: the listener, the pulse, the keeper, the worker, and
all that a worker calls. The database, the engine and time are the models that the contract
suites hold to the real ones. Each daemon has four connections to the database, as the real one,
each of which can be cut by itself.
"""

from __future__ import annotations

import random
from dataclasses import replace

from refitd.core.module import Row
from refitd.core.target import Health, Target
from tests.contracts.memory_journal import MemoryDatabase
from tests.contracts.model_container import Behaviour
from tests.contracts.model_engine import ModelEngine
from tests.shell.house import BILLING, CRM, NAME, PORTS, TARGET
from tests.simulation.baton import Baton
from tests.simulation.member import Act, Daemon


class District:
    """The world, and the daemons in it by name."""

    def __init__(self, seed: int, target: Target | None = None, build_s: float = 4.0) -> None:
        self.dice = random.Random(seed)  # noqa: S311 - a history, not a secret
        self.target = target or replace(
            TARGET, watch_s=5.0, health=Health(deadline_s=20.0, interval_s=0.5)
        )
        self.build_s = build_s
        self.database = MemoryDatabase(notify=self._notify)
        self.baton = Baton(self._pass)
        self.engine = ModelEngine(lambda: self.baton.now_s)
        self.acts: list[Act] = []
        self.daemons: dict[str, Daemon] = {}
        self.frozen: set[str] = set()
        #: By the change's number: when it was committed, when it was answered for, and how long it
        #: waited while somebody could have done so.
        self.committed_at: dict[int, float] = {}
        self.taken_at: dict[int, float] = {}
        self.waited_s: dict[int, float] = {}
        #: Changes whose notification was lost on the way.
        self.unheard: set[int] = set()
        #: By the container's id: what was switched on as it was last started by somebody here.
        self.read: dict[str, frozenset[str]] = {}
        self.uncommitted: list[tuple[int, tuple[Row, ...]]] = []
        self._copies = 1
        self.database.rows[NAME] = (BILLING, CRM)
        self.engine.add_image("api:latest", behaviour=Behaviour("healthy", 1.0))
        policy = {"RestartPolicy": {"Name": "always", "MaximumRetryCount": 0}}
        self.engine.run("api", "api:latest", HostConfig=policy | PORTS)
        self.baton.run(5.0)

    def start(self, name: str) -> None:
        """`refitd run`, on its own machine."""
        self.daemons[name] = Daemon(self, name)

    def kill(self, name: str) -> None:
        """SIGKILL."""
        self.frozen.discard(name)
        self.daemons.pop(name).die()
        self.baton.kill(name)

    def freeze(self, name: str) -> None:
        """SIGSTOP."""
        self.daemons[name].freezes += 1
        self.baton.freeze(name)
        self.frozen.add(name)

    def thaw(self, name: str) -> None:
        """SIGCONT."""
        self.baton.thaw(name)
        self.frozen.discard(name)

    # -- the panel -----------------------------------------------------------------------------

    def write(self, table: tuple[Row, ...], copies: int = 1) -> None:
        """One commit; its notification arrives so many times."""
        self._copies = copies
        self.database.write(NAME, *table)
        self._copies = 1
        for id_ in self.database.changes.keys() - self.committed_at.keys():
            self.committed_at[id_], self.waited_s[id_] = self.baton.now_s, 0.0
            if not copies:
                self.unheard.add(id_)

    def begin_write(self, table: tuple[Row, ...]) -> None:
        """A statement in a transaction that is not committed yet: it has its number already."""
        self.uncommitted.append((self.database.reserve(), table))

    def commit(self) -> None:
        """The oldest of these."""
        self.database.next_id, table = self.uncommitted.pop(0)
        self.write(table)
        self.database.next_id = None

    # -- what is seen of it --------------------------------------------------------------------

    def answered(self) -> None:
        """Somebody wrote down what was done about changes."""
        for id_, row in self.database.changes.items():
            if row.handled:
                self.taken_at.setdefault(id_, self.baton.now_s)

    def started(self, id_: str) -> None:
        """A backend was started: it reads what is switched on, now and never again."""
        container = self.engine.container(id_)
        assert container
        self.read[container.id] = frozenset(
            r.id or "" for r in self.database.rows[NAME] if r.enabled
        )

    def _pass(self, seconds: float) -> None:
        if self._at_leisure():
            for id_ in self.waited_s.keys() - self.taken_at.keys():
                self.waited_s[id_] += seconds
        self.database.advance(seconds)

    def _at_leisure(self) -> bool:
        """Whether the holder of the lease is there, can be reached, and has nothing else to do."""
        daemon = self.daemons.get(self.holder() or "")
        busy = any(each.finished_at is None for each in self.database.deployments.values())
        return daemon is not None and daemon.is_well() and not busy

    def _notify(self, channel: str, payload: str) -> None:
        for _ in range(self._copies if channel == "refitd" else 1):
            for daemon in self.daemons.values():
                daemon.ear.deliver(channel, payload)

    def holder(self) -> str | None:
        """Whose lease it is, in the database's eyes."""
        row = self.database.leases.get(NAME)
        return row.holder if row and row.expires_at > self.database.at else None


def rows(*specs: tuple[str, bool]) -> tuple[Row, ...]:
    """Modules by id, each on or off."""
    return tuple(Row(id_, None, enabled=on) for id_, on in specs)
