"""`refitd once`: take the lease, look until there is nothing more to do, give it back."""

from __future__ import annotations

import threading

from refitd.core.plan import Nothing
from refitd.core.report import OnceResult
from refitd.errors import LeaseLost
from refitd.ports import Journal
from refitd.shell.keeper import Keeper
from refitd.shell.reconcile import Reconciler
from refitd.shell.tenure import Tenure

#: A look that acted is followed by another; with a table in constant motion not for ever.
MOST_LOOKS = 5


def once(
    reconciler: Reconciler,
    journal: Journal,
    tenure: Tenure,
    keeper: Keeper,
    over: threading.Event,
) -> OnceResult:
    """Bring one target in step. `over` ends the keeper's thread.

    Raises `LeaseLost` where a daemon is at work on it, `Parked` where it is told to stop.
    """
    keeper.take()
    if not tenure.held:
        raise LeaseLost(
            f"another daemon holds the lease on {reconciler.target.name}: it does the work"
        )
    keeping = threading.Thread(target=keeper.run, name="keeper", daemon=True)
    keeping.start()
    try:
        return _look(reconciler, journal)
    finally:
        over.set()
        keeper.wake()
        keeping.join()
        keeper.resign()


def _look(reconciler: Reconciler, journal: Journal) -> OnceResult:
    name = reconciler.target.name
    last: int | None = None
    problem: str | None = None
    for _ in range(MOST_LOOKS):
        looked = reconciler.look("request", ripe=lambda _: True, cancelled=lambda _: False)
        last = looked.deployment_id or last
        if isinstance(looked.decision, Nothing) and not looked.again:
            problem = looked.decision.problem
            if last is None:
                return OnceResult(name, "", looked.decision.reason, "nothing", problem)
            break
    deployment = journal.deployment(last) if last is not None else None
    assert deployment is not None, "what was opened is there"
    # What failed and is set aside is a failure, whatever else succeeded after it.
    error = deployment.error or problem
    return OnceResult(name, deployment.action, deployment.reason, deployment.state, error)
