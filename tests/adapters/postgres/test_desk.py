"""What the CLI reads and asks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from refitd.adapters.postgres import Connection, PgDesk, PgJournal
from refitd.core.deployment import Amendment, Answer, StepRecord
from refitd.errors import BadRequest, DatabaseRefused
from tests.contracts.journal import new
from tests.panel import Panel


class Desk:
    """A desk, and the journal whose rows it shows."""

    def __init__(self, dsn: str) -> None:
        self.connection = Connection(dsn, "test")
        self.journal = PgJournal(self.connection, "one")
        self.desk = PgDesk(self.connection)


@pytest.fixture
def office(panel: Panel) -> Iterator[Desk]:
    """On one connection."""
    office = Desk(panel.dsn)
    yield office
    office.connection.close()


def test_history(office: Desk) -> None:
    """The history is newest first, of one target or of all, as long as asked for."""
    opened = [office.journal.open(new(target=target)).id for target in ("a", "b", "a")]
    ids = {target: [d.id for d in office.desk.history(target, 9)] for target in ("a", "b", "c")}
    assert ids == {"a": [opened[2], opened[0]], "b": [opened[1]], "c": []}
    assert [d.id for d in office.desk.history(None, 2)] == [opened[2], opened[1]]


def test_deployment(office: Desk) -> None:
    """One deployment, as the journal has it; None where there is no such."""
    deployment = office.journal.open(new())
    assert office.desk.deployment(deployment.id) == deployment
    assert office.desk.deployment(99) is None


def test_steps_and_log(office: Desk) -> None:
    """Steps and build log in the order written, cleaned of what Postgres cannot keep."""
    deployment, other = office.journal.open(new()), office.journal.open(new(target="other"))
    office.journal.add_step(deployment, StepRecord("stop", 0.25, "old one"))
    office.journal.add_step(other, StepRecord("start", 0.5))
    office.journal.add_log(deployment, [f"line {number}" for number in range(500)])
    office.journal.add_log(deployment, ["nul\0byte", "half\udcffletter"])
    assert office.desk.steps(deployment.id) == (StepRecord("stop", 0.25, "old one"),)
    log = office.desk.build_log(deployment.id)
    assert log[:500] == tuple(f"line {number}" for number in range(500))
    assert log[500:] == ("nulbyte", "half?letter")


def test_request(office: Desk) -> None:
    """A request is answered for from nobody having looked at it to its end."""
    id_ = office.desk.request("backend", "rebuild", {"why": "because"})
    assert office.desk.answer(id_) == Answer()
    (request,) = office.journal.snapshot("backend").requests
    assert (request.kind, request.args, request.by) == ("rebuild", {"why": "because"}, "postgres")
    deployment = office.journal.open(new(request_ids=(id_,)))
    assert office.desk.answer(id_) == Answer(deployment.id)
    office.journal.amend(deployment, Amendment(state="succeeded"))
    assert office.desk.answer(id_) == Answer(deployment.id, "succeeded")


def test_no_such_request(office: Desk) -> None:
    """Asking for what was never asked is a bad request."""
    with pytest.raises(BadRequest, match="there is no request 99"):
        office.desk.answer(99)


def test_bad_request(office: Desk) -> None:
    """A kind that the schema does not know is refused."""
    with pytest.raises(DatabaseRefused, match="request_kind_check"):
        office.desk.request("backend", "explode", {})  # type: ignore[arg-type]
