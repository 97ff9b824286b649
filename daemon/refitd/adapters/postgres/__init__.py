"""Postgres: the journal, the leases, the ear, the desk; migrations and the doctor's questions.

psycopg is known in this folder only. Its errors become ours in `translation`, rows become
values of the core in `rows`, and no statement runs without a bound in time (`connection`).
"""

from refitd.adapters.postgres.connection import Connection
from refitd.adapters.postgres.desk import PgDesk
from refitd.adapters.postgres.doctor import examine
from refitd.adapters.postgres.ear import PgEar
from refitd.adapters.postgres.journal import PgJournal
from refitd.adapters.postgres.leases import PgLeases
from refitd.adapters.postgres.migrate import migrate

__all__ = ["Connection", "PgDesk", "PgEar", "PgJournal", "PgLeases", "examine", "migrate"]
