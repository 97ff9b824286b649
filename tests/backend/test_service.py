"""The service without a database: what it was built with, and how it stops."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.backend.running import SOURCE, assemble, environment, serving


def test_it_says_what_it_was_built_with(tmp_path: Path) -> None:
    """`/modules` gives the build argument back: every id, with its version where it has one."""
    with serving(assemble(tmp_path, "two-factor,audit@1.4")) as service:
        assert service.get("/modules").json == {
            "modules": [
                {"id": "audit", "version": "1.4"},
                {"id": "two-factor", "version": None},
            ],
            "enabled": [],
        }


def test_it_says_which_container_it_is(tmp_path: Path) -> None:
    """`/info` tells one start from another."""
    app = assemble(tmp_path, "")
    with serving(app, CONTAINER_NAME="panel-backend") as service:
        first = service.get("/info").json
    with serving(app) as service:
        second = service.get("/info").json
    assert first["container_name"] == "panel-backend"
    assert second["container_name"] is None
    assert first["started_at"] < second["started_at"]


def test_it_stops_at_once_when_nobody_waits(tmp_path: Path) -> None:
    """And then nobody listens."""
    with serving(assemble(tmp_path, "")) as service:
        assert service.stop() == 0
        with pytest.raises(ConnectionRefusedError):
            service.get("/health")


def test_a_path_that_nobody_answers(tmp_path: Path) -> None:
    """404, and the next request is served."""
    with serving(assemble(tmp_path, "billing")) as service:
        assert service.get("/billing?net=1").status == 404
        assert service.get("/").status == 200


def test_a_module_that_does_not_import_fails_the_build(tmp_path: Path) -> None:
    """The build imports the registry; with such a module in it, that step exits non-zero."""
    assert "RUN python3 gen_modules.py --language python && python3 -c" in (
        SOURCE / "Dockerfile"
    ).read_text(encoding="utf-8")
    step = [sys.executable, "-c", "import service, registered_modules"]
    build = assemble(tmp_path, "audit,broken_build")
    done = subprocess.run(step, cwd=build, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "broken_build does not import" in done.stderr


def test_every_other_module_imports(tmp_path: Path) -> None:
    """All that the folder has go into one build."""
    names = {path.stem for path in (SOURCE / "modules").glob("[a-z]*.py")} - {"broken_build"}
    with serving(assemble(tmp_path, ",".join(sorted(names)))) as service:
        assert len(service.get("/modules").json["modules"]) == len(names)


def test_the_health_check_asks_the_service(tmp_path: Path) -> None:
    """Exit 0 while it answers well, 1 when nobody answers."""
    app = assemble(tmp_path, "")
    check = [sys.executable, "healthcheck.py"]
    with serving(app) as service:
        asking = environment(PORT=str(service.port))
        service.wait_until_healthy()
        assert subprocess.run(check, cwd=app, env=asking, check=False).returncode == 0
        service.stop()
    assert subprocess.run(check, cwd=app, env=asking, check=False).returncode == 1
