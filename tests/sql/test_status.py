"""refitd.status: what is said of a target in each of its conditions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from refitd.adapters.postgres import Connection, PgDesk, PgJournal, PgLeases
from refitd.core.deployment import Amendment, Quarantine, Record, TargetStatus
from refitd.core.module import Desired
from refitd.core.plan import Nothing, decide, wanted
from refitd.core.target import Source, Target
from tests.contracts.journal import new, record
from tests.panel import Listener, Panel

TARGET = "backend"


class Office:
    """A daemon's hands, and the view."""

    def __init__(self, dsn: str) -> None:
        self.connection = Connection(dsn, "test")
        self.journal = PgJournal(self.connection, "one")
        self.leases = PgLeases(self.connection, "one")
        self.desk = PgDesk(self.connection)

    def attend(self) -> None:
        """Hold the lease, with the container on record."""
        self.leases.take(TARGET, "engine", 15)
        self.keep(record(modules=("a", "b"), enabled=("a",)))

    def keep(self, record: Record) -> None:
        """Write down what stands for the target."""
        self.journal.keep_record(TARGET, record, 1)

    def status(self) -> TargetStatus:
        """The only row."""
        (row,) = self.desk.status()
        return row


@pytest.fixture
def office(panel: Panel) -> Iterator[Office]:
    """On a panel with one watched table."""
    office = Office(panel.dsn)
    yield office
    office.connection.close()


def test_no_target(bare: Panel) -> None:
    """Where nothing is watched and nothing was done there is no row."""
    assert bare.sql("select * from refitd.status") == []


def test_unattended(office: Office) -> None:
    """A watched target that no daemon holds a lease on is unattended, even after one did."""
    assert (office.status().condition, office.status().holder) == ("unattended", None)
    office.attend()
    office.leases.resign(TARGET, 1)
    status = office.status()
    assert (status.condition, status.holder) == ("unattended", None)
    assert status.detail == "no daemon attends to it: is refitd running?"


def test_unwatched(office: Office, panel: Panel) -> None:
    """A target whose tables are all unwatched says how to watch one."""
    office.attend()
    panel.sql("select refitd.unwatch('modules')")
    assert office.status().condition == "unwatched"
    assert "refitd.watch(" in office.status().detail


def test_in_step(office: Office) -> None:
    """In step, it tells what the container is made of."""
    office.attend()
    status = office.status()
    assert (status.condition, status.detail) == ("in_step", "2 modules, 1 enabled")
    assert (status.modules, status.enabled) == (("a", "b"), ("a",))
    assert (status.container_id, status.image_id, status.holder) == ("c1", "i1", "one")
    assert status.updated_at is not None


def test_not_looked_at(office: Office) -> None:
    """Until the first look a target is behind."""
    office.leases.take(TARGET, "engine", 15)
    assert (office.status().condition, office.status().detail) == ("behind", "not looked at yet")


def test_behind(office: Office, panel: Panel) -> None:
    """Writes and requests not acted on yet are counted."""
    office.attend()
    panel.sql("insert into modules values ('c', '', true, true)")
    office.desk.request(TARGET, "retry", {})
    status = office.status()
    assert (status.condition, status.pending_changes) == ("behind", 1)
    assert status.detail == "waiting: changes 1, requests 1"

    office.journal.set_problem(TARGET, "the port is taken")
    assert office.status().detail == "waiting: changes 1, requests 1; the port is taken"


def test_working(office: Office) -> None:
    """While a deployment is under way its step and progress are shown."""
    office.attend()
    deployment = office.journal.open(new())
    office.journal.amend(
        deployment,
        Amendment(state="building", step="RUN make", progress_step=3, progress_total=9),
    )
    status = office.status()
    assert (status.condition, status.detail) == ("working", "rebuild: RUN make")
    assert (status.deployment_id, status.state) == (deployment.id, "building")
    assert (status.progress_step, status.progress_total) == (3, 9)


def fail(office: Office) -> None:
    """A deployment that failed, and is set aside."""
    deployment = office.journal.open(new())
    office.journal.quarantine(TARGET, Quarantine("build", None, 1, "no compiler", deployment.id), 1)
    office.journal.amend(deployment, Amendment(state="failed", error="no compiler"))


def test_failed(office: Office, panel: Panel) -> None:
    """After a failure its error stands until something is written."""
    office.attend()
    fail(office)
    status = office.status()
    assert (status.condition, status.detail, status.error) == ("failed", *["no compiler"] * 2)
    panel.sql("insert into modules values ('c', '', true, true)")
    assert office.status().condition == "behind"


def test_healed(office: Office) -> None:
    """Where the table no longer asks for what failed, the failure is over without a deployment."""
    office.attend()
    fail(office)
    office.journal.keep_quarantine(TARGET, [], 1)
    assert (office.status().condition, office.status().error) == ("in_step", None)


def test_failed_then_toggled(office: Office) -> None:
    """A toggle that succeeds does not make a failed build in step: it is set aside still."""
    office.attend()
    fail(office)
    toggle = office.journal.open(new(action="restart"))
    office.journal.amend(toggle, Amendment(state="succeeded"))
    status = office.status()
    assert (status.condition, status.detail, status.error) == ("failed", *["no compiler"] * 2)
    assert status.deployment_id == toggle.id


def test_mended(office: Office) -> None:
    """A success after a failure, which lifts the quarantine, is in step again."""
    office.attend()
    fail(office)
    mending = office.journal.open(new())
    office.journal.keep_quarantine(TARGET, [], 1)
    office.journal.amend(mending, Amendment(state="succeeded"))
    assert (office.status().condition, office.status().error) == ("in_step", None)


def test_paused(office: Office) -> None:
    """Paused comes before whatever else waits."""
    office.attend()
    office.desk.request(TARGET, "rebuild", {})
    office.journal.set_paused(TARGET, paused=True, epoch=1)
    assert office.status().condition == "paused"


def test_missing(office: Office) -> None:
    """What the plan says of a container that is not there makes the condition `missing`."""
    office.attend()
    target = Target(TARGET, "web", "web:latest", Source(path="/src"))
    want = wanted(target, Desired())
    decision = decide(target, want, office.journal.snapshot(TARGET), None)
    assert isinstance(decision, Nothing)
    office.journal.set_problem(TARGET, decision.problem)
    assert (office.status().condition, office.status().detail) == ("missing", decision.problem)


def test_problem(office: Office) -> None:
    """A problem that stops nothing, as a refused row, is told beside being in step."""
    office.attend()
    office.journal.set_problem(TARGET, "module id 'a b' is refused")
    status = office.status()
    assert (status.condition, status.detail) == ("in_step", "module id 'a b' is refused")


def test_problem_of_an_onlooker(office: Office) -> None:
    """A daemon that does not hold the lease leaves the holder's words alone."""
    office.attend()
    office.journal.set_problem(TARGET, "the holder's")
    PgJournal(office.connection, "two").set_problem(TARGET, None)
    assert office.status().detail == "the holder's"


def test_told(office: Office, listener: Listener) -> None:
    """NOTIFY refitd_status names the target, once for each thing that moved, and only then."""
    deployment = office.journal.open(new())
    assert listener.heard() == [("refitd_status", TARGET)]
    office.journal.amend(deployment, Amendment(progress_step=1))
    assert listener.heard() == [("refitd_status", TARGET)]
    office.journal.set_problem(TARGET, "one")
    office.journal.set_problem(TARGET, "one")
    assert listener.heard() == [("refitd_status", TARGET)]
