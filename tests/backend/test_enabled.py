"""The service and its table: what is switched on, and what becomes of the start."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.backend.running import SOURCE, assemble, serving

pytestmark = pytest.mark.postgres

TABLE = (SOURCE.parent / "modules.sql").read_text(encoding="utf-8").encode()


def panel(database: str, *enabled: str) -> str:
    """Create the example table, with these modules switched on, and give the DSN."""
    with psycopg.connect(database) as connection:
        connection.execute(TABLE)
        for id_ in enabled:
            connection.execute(
                "INSERT INTO modules (id, has_backend, enabled) VALUES (%s, true, true)", [id_]
            )
    return database


def test_the_enabled_ones_are_started(tmp_path: Path, database: str) -> None:
    """Enabled and with a backend part: those, and no others, are on and have their routes."""
    dsn = panel(database, "billing", "audit")
    with psycopg.connect(dsn) as connection:
        connection.execute(
            "INSERT INTO modules (id, has_backend, enabled)"
            " VALUES ('mail', true, false), ('search', false, true)"
        )
    with serving(assemble(tmp_path, "audit,billing,mail,search"), DATABASE_URL=dsn) as service:
        service.wait_until_healthy()
        assert service.get("/modules").json["enabled"] == ["audit", "billing"]
        assert service.get("/billing?net=100").json["total"] == "119.00"
        assert service.get("/mail?to=a&subject=b").status == 404


@pytest.mark.parametrize(
    "id_, request_, part",
    [
        ("audit", "/audit", "/health"),
        ("billing", "/billing?net=9.99&rate=7", '"total": "10.69"'),
        ("calendar", "/calendar?year=2025&month=2", "February 2025"),
        ("currency", "/currency?amount=10&rate=1.085", '"amount": "10.85"'),
        ("holidays", "/holidays?year=2025", "2025-04-20"),
        ("mail", "/mail?to=a@example.org&subject=Hello", "Subject: Hello"),
        ("passwords", "/passwords", "password"),
        ("reports", "/reports", "seconds"),
        ("search", "/search?q=heal", "/health"),
        ("slugs", "/slugs?title=Hello,%20World", "hello-world"),
        ("tickets", "/tickets", '"ticket": 1'),
        ("two-factor", "/two-factor?secret=GEZDGNBVGY3TQOJQ", "code"),
    ],
)
def test_each_module_does_something(
    tmp_path: Path, database: str, id_: str, request_: str, part: str
) -> None:
    """A module's route is there once it is enabled, and works."""
    dsn = panel(database, id_)
    with serving(assemble(tmp_path, id_), DATABASE_URL=dsn) as service:
        service.wait_until_healthy()
        answer = service.get(request_)
        assert answer.status == 200
        assert part in answer.text


@pytest.mark.parametrize("request_", ["/billing", "/billing?net=lots"])
def test_a_bad_request_is_the_askers_fault(tmp_path: Path, database: str, request_: str) -> None:
    """A parameter that is missing or senseless: 400."""
    dsn = panel(database, "billing")
    with serving(assemble(tmp_path, "billing"), DATABASE_URL=dsn) as service:
        service.wait_until_healthy()
        assert service.get(request_).status == 400


def test_the_table_may_have_other_names(tmp_path: Path, database: str) -> None:
    """Schema, table and columns come from the environment, whatever is in them."""
    with psycopg.connect(database) as connection:
        connection.execute('CREATE SCHEMA "my panel"')
        connection.execute(
            'CREATE TABLE "my panel".addons (slug text, "is on" bool, backend bool);'
            "INSERT INTO \"my panel\".addons VALUES ('audit', true, true)"
        )
    names = {
        "MODULES_TABLE": "my panel.addons",
        "MODULES_ID": "slug",
        "MODULES_ENABLED": "is on",
        "MODULES_HAS_BACKEND": "backend",
    }
    app = assemble(tmp_path, "audit")
    with serving(app, DATABASE_URL=database, **names) as service:
        service.wait_until_healthy()
        assert service.get("/modules").json["enabled"] == ["audit"]


def test_what_is_not_in_the_build_waits_for_the_next(tmp_path: Path, database: str) -> None:
    """A module that was enabled after the build keeps nobody from starting."""
    dsn = panel(database, "audit", "brand-new")
    with serving(assemble(tmp_path, "audit"), DATABASE_URL=dsn) as service:
        service.wait_until_healthy()
        assert service.get("/health").json["started"] == ["audit"]


def test_a_stop_waits_for_the_answers_at_hand(tmp_path: Path, database: str) -> None:
    """A request that is being worked on when SIGTERM comes is answered; the exit code is 0."""
    dsn = panel(database, "audit", "reports")
    with (
        serving(assemble(tmp_path, "audit,reports"), DATABASE_URL=dsn) as service,
        ThreadPoolExecutor() as pool,
    ):
        service.wait_until_healthy()
        answer = pool.submit(service.get, "/reports?seconds=1")
        while "/reports" not in service.get("/audit").json:
            time.sleep(0.01)
        assert service.stop() == 0
        assert answer.result().status == 200


def test_never_healthy(tmp_path: Path, database: str) -> None:
    """With `never_healthy` on, it serves and answers 503 on `/health`, and stops when told."""
    dsn = panel(database, "audit", "never_healthy")
    app = assemble(tmp_path, "audit,never_healthy")
    with serving(app, DATABASE_URL=dsn) as service:
        while service.get("/health").json["started"] != ["audit"]:
            time.sleep(0.01)
        assert service.get("/health").status == 503
        assert service.stop() == 0


def test_fails_to_start(tmp_path: Path, database: str) -> None:
    """With `fails_to_start` on, the process ends by itself, with exit code 1."""
    dsn = panel(database, "fails_to_start")
    with serving(assemble(tmp_path, "fails_to_start"), DATABASE_URL=dsn) as service:
        assert service.exit_code() == 1


def test_a_table_that_is_not_there_ends_the_start(tmp_path: Path, database: str) -> None:
    """Better no backend than one that says healthy and has nothing enabled."""
    with serving(assemble(tmp_path, ""), DATABASE_URL=database) as service:
        assert service.exit_code() == 1


def test_a_database_that_is_late_is_waited_for(tmp_path: Path, database: str) -> None:
    """Unhealthy while Postgres takes nobody in, then as if nothing had been."""
    dsn = panel(database, "audit")
    take_in(database, allow=False)
    with serving(assemble(tmp_path, "audit"), DATABASE_URL=dsn) as service:
        assert service.get("/health").status == 503
        take_in(database, allow=True)
        service.wait_until_healthy()
        assert service.get("/modules").json["enabled"] == ["audit"]


def take_in(database: str, *, allow: bool) -> None:
    """Let the database accept new connections, or none; it cannot do that to itself."""
    name = sql.Identifier(str(conninfo_to_dict(database)["dbname"]))
    alter = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    with psycopg.connect(database, dbname="postgres", autocommit=True) as connection:
        connection.execute(alter.format(name, sql.Literal(allow)))


def test_a_database_that_never_comes_ends_the_start(tmp_path: Path, database: str) -> None:
    """After the wait, exit code 1: a restart policy may try again."""
    dsn = make_conninfo(database, dbname="not_there")
    app = assemble(tmp_path, "")
    with serving(app, DATABASE_URL=dsn, DATABASE_WAIT_S="0.5") as service:
        assert service.exit_code() == 1
