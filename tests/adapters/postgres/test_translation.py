"""No error of psycopg's gets past the adapter untranslated."""

from __future__ import annotations

import inspect

import psycopg
import pytest

from refitd.adapters.postgres.translation import translate
from refitd.errors import DatabaseRefused, DatabaseUnavailable, LeaseLost

ALL = sorted(
    (
        kind
        for _, kind in inspect.getmembers(psycopg.errors, inspect.isclass)
        if issubclass(kind, psycopg.Error)
    ),
    key=lambda kind: kind.__name__,
)


@pytest.mark.parametrize("kind", ALL)
def test_every_error(kind: type[psycopg.Error]) -> None:
    """Each error class of psycopg becomes one of ours, and the message says where."""
    ours = translate(kind("words"), "db:5432/panel")
    assert isinstance(ours, DatabaseUnavailable | DatabaseRefused)
    assert str(ours).startswith("db:5432/panel: words")


@pytest.mark.parametrize(
    "kind, transient",
    [
        (psycopg.errors.AdminShutdown, True),
        (psycopg.errors.QueryCanceled, True),
        (psycopg.errors.TooManyConnections, True),
        (psycopg.errors.DeadlockDetected, True),
        (psycopg.errors.SerializationFailure, True),
        (psycopg.errors.LockNotAvailable, True),
        (psycopg.errors.IdleInTransactionSessionTimeout, True),
        (psycopg.errors.DiskFull, True),
        (psycopg.errors.ConnectionTimeout, True),
        (psycopg.OperationalError, True),
        (psycopg.InterfaceError, True),
        (psycopg.errors.UndefinedTable, False),
        (psycopg.errors.InsufficientPrivilege, False),
        (psycopg.errors.ReadOnlySqlTransaction, False),
        (psycopg.errors.CheckViolation, False),
        (psycopg.DataError, False),
    ],
)
def test_patience_or_a_person(kind: type[psycopg.Error], *, transient: bool) -> None:
    """What passes by itself is transient, what somebody must mend is not."""
    assert translate(kind("words"), "db").transient is transient


def test_lease_lost() -> None:
    """The fence's own code is the loss of the lease."""

    class Fenced(psycopg.DatabaseError):
        sqlstate = "RF001"

    assert isinstance(translate(Fenced("the lease has gone on"), "db"), LeaseLost)


def test_one_line() -> None:
    """A message of several lines, one for each host tried, is told in one."""
    told = str(translate(psycopg.OperationalError("first\n\tsecond\n"), "db"))
    assert told == "db: first; second"
