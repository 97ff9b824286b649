"""What `refitd doctor` finds: one thing looked at, and how to mend it where it is not well."""

from __future__ import annotations

from dataclasses import dataclass

#: The part of the server's queue of notifications in use from which on it is cause for concern:
#: some session listens and never ends its transaction. When it is full, each COMMIT that notifies
#: fails (https://www.postgresql.org/docs/current/sql-notify.html).
QUEUE_ALARM = 0.1


@dataclass(frozen=True, slots=True)
class Finding:
    """`remedy` is something to do or to type, and empty where all is well. `notes` are what is to
    be known all the same."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""
    notes: tuple[str, ...] = ()
