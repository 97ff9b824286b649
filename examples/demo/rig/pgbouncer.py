"""A PgBouncer of our own in front of a Postgres; Debian's, as there is none to be had by pip."""

import os
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Literal, Self

from psycopg.conninfo import make_conninfo

from rig import debian, ports
from rig.child import Child, Traces
from rig.missing import MissingPart
from rig.postgres import Postgres


class PgBouncer:
    """Lets everybody in, as the cluster's superuser; a context manager."""

    def __init__(self, server: Postgres, mode: Literal["transaction", "session"]) -> None:
        self._server, self._mode = server, mode
        self._stack = ExitStack()
        # Like Postgres, it does not run as root.
        self._user = "nobody" if os.geteuid() == 0 else None

    def __enter__(self) -> Self:
        program = debian.need("pgbouncer", "pgbouncer", why="tests need a connection pooler")
        folder = Path(tempfile.mkdtemp(prefix="refitd-rig-pgbouncer-", dir="/var/tmp"))
        self.port = ports.free_port()
        settings = folder / "pgbouncer.ini"
        settings.write_text(self._settings())
        for path in (folder, settings):
            shutil.chown(path, self._user or os.geteuid())
        self.child = self._stack.enter_context(
            Child([program, str(settings)], folder / "log", Traces([folder]), user=self._user)
        )
        if not ports.answers("127.0.0.1", self.port):
            words = self.child.last_words()
            self._stack.close()
            raise MissingPart(f"PgBouncer did not come up:\n{words}")
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def dsn(self, dbname: str) -> str:
        """The same database, by way of the pool."""
        return make_conninfo(self._server.dsn(dbname), host="127.0.0.1", port=self.port)

    def _settings(self) -> str:
        server = f"host=127.0.0.1 port={self._server.port} user=postgres"
        return f"""\
[databases]
* = {server} password={self._server.password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {self.port}
unix_socket_dir =
auth_type = any
pool_mode = {self._mode}
ignore_startup_parameters = extra_float_digits,options
"""
