"""A whole daemon for one target, on fakes: what `refitd.app` wires on real parts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from refitd.core import labels
from refitd.core.container import Container
from refitd.core.deployment import Deployment, Wake
from refitd.core.module import Row, desired_from
from refitd.core.plan import Wanted
from refitd.core.target import Health, Source, Target, Timing
from refitd.ports import Timer
from refitd.shell.audit import Audit, Epoch
from refitd.shell.reconcile import Looked, Reconciler
from refitd.shell.tenure import Tenure
from refitd.shell.wiring import Outside, reconciler
from refitd.shell.worker import Worker
from tests.contracts.memory_journal import MemoryDatabase, MemoryJournal
from tests.contracts.model_engine import Behaviour, ModelEngine
from tests.shell.fakes import FakeClock, FakeGit, FakeLog, FakeMetrics, FakeProber, MortalEngine

NAME = "backend"
TARGET = Target(
    NAME,
    "api",
    "api:latest",
    Source(repo="https://git.example.org/core.git", subdir="backend"),
    health=Health(deadline_s=20.0, interval_s=0.5),
    watch_s=60.0,
)
PORTS: dict[str, Any] = {"PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}}
CRM, BILLING, MAIL = (Row(id_, None, enabled=True) for id_ in ("crm", "billing", "mail"))


def off(row: Row) -> Row:
    """The same, switched off."""
    return replace(row, enabled=False)


class House:
    """The database, the engine with a backend that runs, and daemons one after the other."""

    def __init__(
        self,
        target: Target = TARGET,
        timing: Timing | None = None,
        host: dict[str, Any] | None = None,
        log: FakeLog | None = None,
        policy: str = "always",
        **body: Any,
    ) -> None:
        self.target, self.timing = target, timing or Timing()
        self.database = MemoryDatabase()
        self.clock = FakeClock(self.database)
        self.engine = MortalEngine(self.clock)
        self.git, self.prober = FakeGit(), FakeProber()
        self.log, self.metrics = log or FakeLog(), FakeMetrics()
        self.stopping = threading.Event()
        self.database.rows[NAME] = (BILLING, CRM)
        self.engine.add_network("web")
        self.engine.add_image("api:latest", behaviour=Behaviour("healthy", 1.0))
        self.policy = policy
        restarts = {"RestartPolicy": {"Name": policy, "MaximumRetryCount": 0}}
        self.engine.run("api", "api:latest", HostConfig=restarts | (host or PORTS), **body)
        self.clock.sleep(5.0)
        self.first = self.serving()
        self.new_daemon()

    # -- the daemon --------------------------------------------------------------------------------

    def new_daemon(self, instance: str = "one") -> None:
        """One that knows nothing but its instance; the engine and the database stay."""
        self.engine.revive()
        self.clock.hooks.clear()
        self.journal = MemoryJournal(self.database, instance)
        self.tenure = Tenure(NAME, self.journal, self.clock, self.timing.lease_s)
        self.reconciler = self._reconciler(instance)
        self.tenure.ask("model-engine")
        self.clock.hooks.append(self._renew)

    def _renew(self) -> None:
        """What the keeper's thread does."""
        if not self.database.down:
            self.tenure.ask("model-engine")
            if not self.tenure.held:  # lost meanwhile: taken again in the next round
                self.tenure.ask("model-engine")

    def _reconciler(self, instance: str) -> Reconciler:
        outside = Outside(
            instance=instance,
            target=self.target,
            timing=self.timing,
            engine=self.engine,
            git=self.git,
            prober=self.prober,
            journal=self.journal,
            tenure=self.tenure,
            clock=self.clock,
            metrics=self.metrics,
            log=Audit(self.log.bind(target=NAME), Epoch(self.tenure)),
            stopping=self.stopping.is_set,
        )
        return reconciler(outside)

    def worker(self, timer: Timer) -> Worker:
        """Of the daemon that there is now."""
        return Worker(
            self.reconciler,
            self.journal,
            timer,
            self.clock,
            self.log,
            self.timing,
            self.stopping,
        )

    # -- doing -------------------------------------------------------------------------------------

    def write(self, *rows: Row) -> None:
        """The table holds these from now on."""
        self.database.write(NAME, *rows)

    def look(
        self,
        wake: Wake = "notify",
        *,
        ripe: bool = True,
        cancelled: Callable[[Wanted], bool] = lambda _: False,
    ) -> Looked:
        """One look."""
        return self.reconciler.look(wake, ripe=lambda _: ripe, cancelled=cancelled)

    def settle(self, most: int = 12) -> list[Looked]:
        """Look until nothing more is to be done."""
        looks = []
        for _ in range(most):
            looks.append(self.look())
            if not looks[-1].again:
                return looks
        raise AssertionError(f"still at it: {looks[-3:]}")

    def pass_watch(self) -> None:
        """Let the watch window go by, a second at a time."""
        for _ in range(int(self.target.watch_s) + 2):
            self.clock.sleep(1.0)
            self.look("watch")

    # -- looking -----------------------------------------------------------------------------------

    @property
    def deployments(self) -> list[Deployment]:
        """All rows."""
        return list(self.database.deployments.values())

    @property
    def ends(self) -> list[tuple[str, str]]:
        """(action, state) of each deployment."""
        return [(each.action, each.state) for each in self.deployments]

    def serving(self) -> Container:
        """Who bears the name."""
        found = self.engine.container("api")
        assert found, "nobody bears the name"
        return found

    def modules(self) -> str:
        """What the one that serves was built of."""
        image = self.engine.image(self.serving().image_id)
        assert image
        return image.labels.get(labels.IMAGE_MODULES, "as found")

    def all_names(self) -> list[str]:
        """Every container."""
        return sorted(each.name for each in self.engine.everyone())

    def check_in_step(self) -> None:
        """The backend is as the table says, refitd knows it, and nothing is left over."""
        check_in_step(self.database, self.engine, self.policy)


def check_in_step(database: MemoryDatabase, engine: ModelEngine, policy: str = "always") -> None:
    """The backend is as the table says, refitd knows it, and nothing is left over."""
    container, record = engine.container("api"), database.records[NAME]
    wanted = desired_from(database.rows[NAME], record.modules)
    assert container, "nobody bears the name"
    image = engine.image(container.image_id)
    assert image
    assert (container.state, container.health) == ("running", "healthy")
    assert container.restart_policy == policy
    built_of = image.labels.get(labels.IMAGE_MODULES, "as found")
    assert built_of in (wanted.build_argument, "as found")
    assert record.modules == wanted.specs
    # What was on and is not in this build any more is nothing to it (`core.plan`).
    built_in = {module.id for module in wanted.modules}
    assert set(record.enabled) & built_in == set(wanted.enabled)
    assert (record.container_id, record.started_at) == (container.id, container.started_at)
    assert all(row.handled for row in database.changes.values())
    kept = {each.container_id for each in database.retirees.values()}
    others = [each for each in engine.everyone() if each.id != container.id]
    assert {each.id for each in others} <= kept
    assert not any(each.runs for each in others)
    assert not any(each.restart_policy != "no" for each in others)
    assert engine.handed_over == []
