"""The wiring: the one file that knows every concrete class.

Each function is what a command of the CLI asks for. Nothing is decided here.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from refitd import logs
from refitd.adapters import postgres
from refitd.adapters.clock import SystemClock
from refitd.adapters.docker_engine import DockerEngine
from refitd.adapters.git import DulwichGit
from refitd.adapters.instance import claim
from refitd.adapters.metrics import MetricsServer, PrometheusMetrics
from refitd.adapters.own_container import own_container_id
from refitd.adapters.postgres import Connection, PgDesk, PgEar, PgJournal, PgLeases
from refitd.adapters.probe import NetworkProber
from refitd.adapters.systemd import Systemd
from refitd.adapters.timer import SchedulerTimer
from refitd.core.deployment import Wake
from refitd.core.finding import Finding
from refitd.core.report import OnceResult, PlanView
from refitd.core.target import Target
from refitd.errors import EngineError
from refitd.ports import Desk, Log, Timer
from refitd.settings import Settings
from refitd.shell import foresight, one_look
from refitd.shell.audit import Audit, Epoch
from refitd.shell.cloner import Cloner
from refitd.shell.doctor import Doctor
from refitd.shell.keeper import Keeper
from refitd.shell.lifecycle import Lifecycle, heeding_signals
from refitd.shell.listen import Listener, ListenerState
from refitd.shell.pulse import Pulse
from refitd.shell.reconcile import Reconciler
from refitd.shell.rescue import rescue
from refitd.shell.tenure import Tenure
from refitd.shell.wiring import Outside, reconciler
from refitd.shell.worker import Worker


@dataclass(frozen=True)
class _House:
    """What all targets share."""

    settings: Settings
    instance: str
    engine: DockerEngine
    metrics: PrometheusMetrics
    clock: SystemClock
    stopping: threading.Event
    connections: list[Connection] = field(default_factory=list)

    def connection(self, purpose: str) -> Connection:
        connection = Connection(self.settings.dsn, f"refitd {purpose}")
        self.connections.append(connection)
        return connection

    def tenure(self, target: Target, leases: PgLeases) -> Tenure:
        return Tenure(target.name, leases, self.clock, self.settings.timing.lease_s)

    def reconciler(
        self, target: Target, journal: PgJournal, tenure: Tenure, log: Log
    ) -> Reconciler:
        outside = Outside(
            instance=self.instance,
            target=target,
            timing=self.settings.timing,
            engine=self.engine,
            git=DulwichGit(),
            prober=NetworkProber(),
            journal=journal,
            tenure=tenure,
            clock=self.clock,
            metrics=self.metrics,
            log=log,
            stopping=self.stopping.is_set,
            own_container=own_container_id(),
        )
        return reconciler(outside)

    def worker(self, target: Target, tenure: Tenure, timer: Timer) -> Worker:
        journal = PgJournal(self.connection(f"worker {target.name}"), self.instance)
        log = _audit(target, tenure)
        looks = self.reconciler(target, journal, tenure, log)
        timing = self.settings.timing
        return Worker(looks, journal, timer, self.clock, log, timing, self.stopping)


class _Daemon:
    """Every loop of `refitd run`, and what ties them together."""

    def __init__(self, house: _House) -> None:
        self._house, self._log = house, logs.get()
        self._targets = house.settings.targets
        self._timer = SchedulerTimer(self._tick_missed)
        tenures = {each.name: house.tenure(each, self._leases(each)) for each in self._targets}
        self._workers = {
            each.name: house.worker(each, tenures[each.name], self._timer) for each in self._targets
        }
        self._keepers = [self._keeper_of(tenure) for tenure in tenures.values()]
        self.lifecycle = self._lifecycle(self._listener())

    def _listener(self) -> Listener:
        house = self._house
        return Listener(
            ear=PgEar(house.settings.dsn, house.instance),
            leases=PgLeases(house.connection("pulse"), house.instance),
            clock=house.clock,
            log=self._log,
            metrics=house.metrics,
            timing=house.settings.timing,
            instance=house.instance,
            poke=self._poke,
            moved=self._listener_moved,
            stopping=house.stopping,
        )

    def _leases(self, target: Target) -> PgLeases:
        house = self._house
        return PgLeases(house.connection(f"keeper {target.name}"), house.instance)

    def _keeper_of(self, tenure: Tenure) -> Keeper:
        house, timing = self._house, self._house.settings.timing
        return Keeper(
            tenure=tenure,
            engine=house.engine,
            clock=house.clock,
            log=self._log,
            every_s=timing.lease_s / 5,
            gained=lambda target, wake: self._workers[target].poke(wake),
            stopping=house.stopping,
        )

    def _lifecycle(self, listener: Listener) -> Lifecycle:
        house, supervisor = self._house, Systemd()
        return Lifecycle(
            workers=tuple(self._workers.values()),
            listener=listener,
            pulse=Pulse(
                listener.beat, self._log, house.settings.timing.heartbeat_s, house.stopping
            ),
            keepers=self._keepers,
            timer=self._timer,
            journal=PgJournal(house.connection("retention"), house.instance),
            supervisor=supervisor,
            log=self._log,
            timing=house.settings.timing,
            watchdog_s=supervisor.watchdog_interval_s(),
            rescue=self._rescue,
            hurry=self._hurry,
            stopping=house.stopping,
        )

    def _poke(self, wake: Wake) -> None:
        if wake in ("lease", "reconnect"):
            # Given up by its holder, or run out while we were cut off: ask at once.
            for keeper in self._keepers:
                keeper.wake()
        if wake == "lease":
            return  # whose worker gains it is poked for that
        for worker in self._workers.values():
            worker.poke(wake)

    def _listener_moved(self, state: ListenerState) -> None:
        if state in ("suspect", "connecting"):
            for connection in self._house.connections:
                connection.doubt(under_way=state == "suspect")
        self.lifecycle.listener_moved(state)

    def _tick_missed(self, job: str, what: str, error: BaseException | None) -> None:
        self._log.warning("tick.missed", job=job, what=what, error=error)

    def _hurry(self) -> None:
        for connection in self._house.connections:
            connection.hurry()

    def _rescue(self) -> None:
        house = self._house
        for target in self._targets:
            try:
                rescue(house.engine, target, house.instance, self._log)
            except EngineError as error:
                self._log.warning("target.unrescued", target=target.name, error=str(error))


def run(settings: Settings) -> int:
    """`refitd run`: the daemon, until a signal."""
    with ExitStack() as stack:
        house = stack.enter_context(_house(settings))
        lifecycle = _Daemon(house).lifecycle
        if settings.metrics_port is not None:
            where = settings.metrics_address, settings.metrics_port
            metrics = MetricsServer(house.metrics.registry, *where, lifecycle.trouble)
            stack.enter_context(metrics)
        names = [target.name for target in settings.targets]
        logs.get().info("daemon.started", instance=house.instance, targets=names)
        return lifecycle.run()


def once(settings: Settings, target: str | None) -> Sequence[OnceResult]:
    """`refitd once`: look, act, and end, a target at a time."""
    results = []
    with _house(settings) as house, heeding_signals(house.stopping):
        for each in _chosen(settings, target):
            leases = PgLeases(house.connection("once"), house.instance)
            tenure = house.tenure(each, leases)
            journal = PgJournal(house.connection(f"once {each.name}"), house.instance)
            reconciler = house.reconciler(each, journal, tenure, _audit(each, tenure))
            over = threading.Event()
            keeper = _keeper_of(house, tenure, over)
            results.append(one_look.once(reconciler, journal, tenure, keeper, over))
    return results


def plan(settings: Settings, target: str | None) -> Sequence[PlanView]:
    """`refitd plan`: what would be done now. Containers are made for a look, and removed."""
    engine = DockerEngine(settings.docker_host)
    own = own_container_id()
    views = []
    for each in _chosen(settings, target):
        journal = PgJournal(Connection(settings.dsn, "refitd plan"), "plan")
        cloner = Cloner(engine, each, "plan", mark=secrets.token_hex(4))
        views.append(foresight.plan(each, engine, DulwichGit(), journal, cloner, own))
    return views


@contextmanager
def desk(settings: Settings) -> Iterator[Desk]:
    """What the CLI reads and writes besides."""
    connection = Connection(settings.dsn, "refitd cli")
    try:
        yield PgDesk(connection)
    finally:
        connection.close()


def doctor(settings: Settings) -> Sequence[Finding]:
    """`refitd doctor`."""
    with ExitStack() as stack:

        def journal() -> PgJournal:
            connection = Connection(settings.dsn, "refitd doctor")
            stack.callback(connection.close)
            return PgJournal(connection, "doctor")

        return Doctor(
            targets=settings.targets,
            engine=DockerEngine(settings.docker_host),
            git=DulwichGit(),
            database=lambda: postgres.examine(settings.dsn),
            journal=journal,
            state_dir=settings.state_dir,
            own_id=own_container_id(),
        ).findings()


def migrate(settings: Settings) -> Sequence[str]:
    """`refitd migrate`: the names of the files that were applied."""
    return postgres.migrate(settings.dsn)


@contextmanager
def _house(settings: Settings) -> Iterator[_House]:
    with claim(settings.state_dir, settings.instance) as instance:
        engine = DockerEngine(settings.docker_host)
        try:
            yield _House(
                settings=settings,
                instance=instance,
                engine=engine,
                metrics=PrometheusMetrics(),
                clock=SystemClock(),
                stopping=threading.Event(),
            )
        finally:
            engine.close()


def _keeper_of(house: _House, tenure: Tenure, over: threading.Event) -> Keeper:
    return Keeper(
        tenure=tenure,
        engine=house.engine,
        clock=house.clock,
        log=logs.get(),
        every_s=house.settings.timing.lease_s / 3,
        gained=lambda _target, _wake: None,
        stopping=over,
    )


def _audit(target: Target, tenure: Tenure) -> Log:
    return Audit(logs.get(target=target.name), Epoch(tenure))


def _chosen(settings: Settings, target: str | None) -> list[Target]:
    return [each for each in settings.targets if target in (None, each.name)]
