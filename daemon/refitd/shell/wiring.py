"""All that looks and acts for one target, put together from what is outside.

The outside comes through ports: `refitd.app` gives the real one, tests give fakes, and what stands
between is the same. The engine is lent to all through two others: `shell.interruptions` notes when
it did not answer, and `shell.held` lets nobody change anything without the lease.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from refitd.core.target import Target, Timing
from refitd.ports import Clock, Engine, Git, Journal, Log, Metrics, Prober
from refitd.shell.assembly import Assembly
from refitd.shell.cloner import Cloner
from refitd.shell.conclude import Conclusion
from refitd.shell.deploy import Deployer
from refitd.shell.drive import Driver
from refitd.shell.held import HeldEngine
from refitd.shell.interruptions import Interruptions
from refitd.shell.observe import Observer
from refitd.shell.outage import OutageMeter
from refitd.shell.reading import Reading
from refitd.shell.reconcile import Reconciler
from refitd.shell.tenure import Tenure
from refitd.shell.tidying import Tidying


@dataclass(frozen=True, kw_only=True)
class Outside:
    """What one target's loop works with, and for whom it does."""

    instance: str
    target: Target
    timing: Timing
    engine: Engine
    git: Git
    prober: Prober
    journal: Journal
    tenure: Tenure
    clock: Clock
    metrics: Metrics
    #: Signed with the epoch of the lease, and bound to the target.
    log: Log
    stopping: Callable[[], bool]
    #: The id of the container that refitd itself runs in.
    own_container: str | None = None


def reconciler(outside: Outside) -> Reconciler:
    """All of it, new: nothing is remembered of what was before."""
    target, journal, tenure, log = outside.target, outside.journal, outside.tenure, outside.log
    interruptions = Interruptions()
    engine = HeldEngine(interruptions.noted_of(outside.engine), tenure)
    tidying = Tidying(engine, journal, tenure, log, target)
    conclusion = Conclusion(
        engine=engine,
        journal=journal,
        tenure=tenure,
        metrics=outside.metrics,
        log=log,
        target=target,
        timing=outside.timing,
        tidying=tidying,
    )
    return Reconciler(
        target=target,
        engine=engine,
        git=outside.git,
        journal=journal,
        tenure=tenure,
        deployer=_deployer(outside, engine, interruptions, conclusion),
        conclusion=conclusion,
        tidying=tidying,
        metrics=outside.metrics,
        log=log,
        interruptions=interruptions,
    )


def _deployer(
    outside: Outside, engine: Engine, interruptions: Interruptions, conclusion: Conclusion
) -> Deployer:
    target, journal, log = outside.target, outside.journal, outside.log
    meter = OutageMeter(outside.prober, outside.clock, _probed_port(target))
    reading = Reading(journal, target.name)
    return Deployer(
        target=target,
        engine=engine,
        journal=journal,
        tenure=outside.tenure,
        assembly=Assembly(engine, outside.git, journal, outside.clock, log, target),
        driver=_driver(outside, engine, interruptions, meter, reading),
        meter=meter,
        conclusion=conclusion,
        reading=reading,
        log=log,
        interruptions=interruptions,
        own_container=outside.own_container,
        cancel_limit=outside.timing.cancel_limit,
        stopping=outside.stopping,
    )


def _driver(
    outside: Outside,
    engine: Engine,
    interruptions: Interruptions,
    meter: OutageMeter,
    reading: Reading,
) -> Driver:
    target, clock = outside.target, outside.clock
    cloner = Cloner(engine, target, outside.instance)
    return Driver(
        engine=engine,
        journal=outside.journal,
        cloner=cloner,
        observer=Observer(engine, cloner, outside.prober, clock, target, interruptions),
        meter=meter,
        tenure=outside.tenure,
        clock=clock,
        log=outside.log,
        target=target,
        stopping=outside.stopping,
        reading=reading,
    )


def _probed_port(target: Target) -> int | None:
    return target.health.http.port if target.health.http else target.health.tcp_port
