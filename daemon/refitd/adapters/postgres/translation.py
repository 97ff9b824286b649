"""psycopg's errors, in our words: the one place that knows SQLSTATEs.

Three kinds of people read these messages. `DatabaseUnavailable` is for patience: it passes by
itself. `DatabaseRefused` is for somebody who can mend it, so it ends with how. `LeaseLost` is
for the reconcile loop.
"""

from __future__ import annotations

import psycopg

from refitd.errors import DatabaseRefused, DatabaseUnavailable, LeaseLost, RefitdError

LEASE_LOST = "RF001"
TABLE_UNREADABLE = "RF002"

_MIGRATE = "run `refitd migrate`"
_REMEDIES = {
    "3F000": _MIGRATE,  # no such schema
    "42P01": _MIGRATE,  # no such table
    "42703": _MIGRATE,  # no such column
    "42883": _MIGRATE,  # no such function
    "3D000": "create the database, or name another in the DSN",
    "28000": "let the DSN's user in (pg_hba.conf)",
    "28P01": "give the DSN the right password (or PGPASSFILE)",
    "25006": "give refitd the primary: this is a standby, or set to read-only",
}

# Classes and codes that pass by themselves: connection, resources, intervention, deadlock or
# serialization, a lock not had, a statement stopped for its length, a system error.
_PASSING = ("08", "53", "57", "58", "40", "55P03", "55006", "25P03", "XX")

# A failed connection attempt has no SQLSTATE: libpq keeps it. Its text is all there is.
_REFUSING_TEXTS = {
    "password authentication failed": _REMEDIES["28P01"],
    "no password supplied": _REMEDIES["28P01"],
    "no pg_hba.conf entry": _REMEDIES["28000"],
    "is not permitted to log in": "use a role that may log in, a member of refitd_daemon",
    "permission denied for database": "GRANT CONNECT ON DATABASE to the DSN's user",
    "session is read-only": _REMEDIES["25006"],
    "hot standby mode": _REMEDIES["25006"],
    "unsupported startup parameter": (
        "a connection pooler stands in the way: give refitd the server's own address"
    ),
}


def translate(error: psycopg.Error, place: str) -> RefitdError:
    """`place` says where the database is; see `dsn.place`."""
    state, text = error.sqlstate, _text(error)
    if state == LEASE_LOST:
        return LeaseLost(text)
    if state == TABLE_UNREADABLE:
        return DatabaseRefused(_with_remedy(text, error.diag.message_hint))
    if state is None:
        return _without_state(error, text, place)
    if state.startswith(_PASSING):
        return DatabaseUnavailable(f"{place}: {text}")
    remedy = _REMEDIES.get(state, error.diag.message_hint)
    if state == "42501" and not remedy:
        remedy = f"GRANT refitd_daemon to the DSN's user, or {_MIGRATE} as the schema's owner"
    return DatabaseRefused(_with_remedy(f"{place}: {text}", remedy))


def _without_state(error: psycopg.Error, text: str, place: str) -> RefitdError:
    for part, remedy in _REFUSING_TEXTS.items():
        if part in text:
            return DatabaseRefused(_with_remedy(f"{place}: {text}", remedy))
    if 'FATAL:  database "' in text and "does not exist" in text:
        return DatabaseRefused(_with_remedy(f"{place}: {text}", _REMEDIES["3D000"]))
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return DatabaseUnavailable(f"{place}: {text}")
    return DatabaseRefused(f"{place}: {text}")


def _text(error: psycopg.Error) -> str:
    text = error.diag.message_primary or str(error) or type(error).__name__
    return "; ".join(line.strip() for line in text.splitlines() if line.strip())


def _with_remedy(text: str, remedy: str | None) -> str:
    return f"{text}: {remedy}" if remedy else text
