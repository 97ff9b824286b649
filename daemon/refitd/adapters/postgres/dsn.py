"""A DSN as the user wrote it, made fit for a daemon. What it holds is never shown whole.

What the DSN itself sets wins over the defaults here; server settings are added to its own
`options`. No password reaches a message: `place` names host and database only, and a DSN that
cannot be read is not quoted, as psycopg would.
"""

from __future__ import annotations

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from refitd.errors import DatabaseRefused

#: The server gives up on a statement before the client does, so that there is an answer.
STATEMENT_S = 4.0
CONNECT_S = 5

_DEFAULTS: dict[str, str | int | None] = {
    "connect_timeout": CONNECT_S,
    "target_session_attrs": "read-write",
    "client_encoding": "utf8",
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}

# The server must not end a listener for being idle. It must end, soon, a transaction whose
# client fell silent: that holds locks which the next holder of the lease waits for.
_SERVER_SETTINGS = (
    f"-c statement_timeout={STATEMENT_S:.0f}s"
    " -c idle_session_timeout=0"
    " -c idle_in_transaction_session_timeout=5s"
    " -c default_transaction_isolation=read\\ committed"
)


def prepare(dsn: str, name: str) -> str:
    """The connection string that is really used. Raises `DatabaseRefused`."""
    given = _parse(dsn)
    options = " ".join(filter(None, (str(given.pop("options", "") or ""), _SERVER_SETTINGS)))
    ours = {**_DEFAULTS, "application_name": name}
    return make_conninfo("", **{**ours, **given, "options": options})


def place(dsn: str) -> str:
    """Where a DSN leads, for messages: `host:port/database`."""
    given = _parse(dsn)
    host = given.get("host") or given.get("hostaddr") or "the local socket"
    port = f":{given['port']}" if given.get("port") else ""
    return f"{host}{port}/{given.get('dbname') or given.get('user') or ''}"


def _parse(dsn: str) -> dict[str, str | int | None]:
    _scheme, uri, rest = dsn.partition("://")
    user, at, place_ = rest.partition("?")[0].partition("@")
    if uri and at and ("@" in place_ or "/" in user):
        # libpq would take a part of the password for the host, and say so.
        raise DatabaseRefused(
            "`dsn` cannot be read: a `@` or `/` in its user or password must be written %40 or %2F"
        )
    try:
        return dict(conninfo_to_dict(dsn))
    except psycopg.Error:
        raise DatabaseRefused(
            "`dsn` cannot be read: it should look like postgresql://user@host:5432/database"
        ) from None  # whose text quotes the DSN, and its password
