"""`refitd run`, `once`, `plan`, `migrate`, `doctor`, `gen-modules`: output and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from refitd import __version__
from refitd.core.finding import Finding
from refitd.core.report import OnceResult, PlanView
from refitd.errors import BadRequest, DatabaseUnavailable, EngineRefused, SettingsError
from tests.cli.office import ENVIRONMENT, SECOND, Office, refitd

COMMANDS = [
    "run",
    "once",
    "plan",
    "status",
    "history",
    "logs",
    "rebuild",
    "restart",
    "retry",
    "migrate",
    "doctor",
    "gen-modules",
]

REBUILT = OnceResult("backend", "rebuild", "audit was added", "succeeded")
IDLE = OnceResult("backend", "", "it is as the table says", "nothing")
BROKEN = OnceResult("backend", "rebuild", "audit was added", "failed", "step 3 exited with 1")


def test_every_command_is_in_the_help() -> None:
    """So are the exit codes."""
    said = refitd("--help")
    assert said.exit_code == 0
    for command in COMMANDS:
        assert f" {command} " in said.stdout
    assert "Exit codes" in said.stdout


def test_the_version() -> None:
    """`--version` needs no settings."""
    said = refitd("--version", environ={})
    assert (said.exit_code, said.stdout) == (0, f"refitd {__version__}\n")


class TestErrors:
    """An error is one message on stderr and an exit code, never a traceback."""

    @pytest.mark.parametrize("command", ["run", "once", "plan", "status", "migrate", "doctor"])
    def test_settings_that_cannot_be_used(self, command: str) -> None:
        """Exit code 2, nothing on stdout, the missing keys by name."""
        said = refitd(command, environ={})
        assert (said.exit_code, said.stdout) == (2, "")
        assert said.stderr.startswith("refitd: No refitd.toml was found")
        assert "`dsn`: missing" in said.stderr

    @pytest.mark.parametrize(
        "error, code",
        [
            (DatabaseUnavailable("cannot reach postgresql://u:hunter2@db"), 1),
            (EngineRefused("no"), 1),
            (SettingsError("no"), 2),
            (BadRequest("no"), 2),
        ],
    )
    @pytest.mark.parametrize("command", ["run", "once", "plan", "status", "migrate", "doctor"])
    def test_an_operating_error(self, command: str, error: DatabaseUnavailable, code: int) -> None:
        """Exit code 1 for what did not work, 2 for what was asked wrongly; no secret."""
        said = refitd(command, office=Office(trouble=error))
        assert (said.exit_code, said.stdout) == (code, "")
        assert said.stderr.startswith("refitd: ")
        assert "hunter2" not in said.stderr
        assert len(said.stderr.splitlines()) == 1

    def test_a_bug_keeps_its_traceback(self) -> None:
        """Only errors that were foreseen are put nicely."""
        said = refitd("run", office=Office(trouble=ZeroDivisionError()))  # type: ignore[arg-type]
        assert isinstance(said.exception, ZeroDivisionError)

    def test_usage(self) -> None:
        """What the command line does not know is exit code 2."""
        assert refitd("explode").exit_code == 2
        assert refitd("plan", "--bogus").exit_code == 2
        assert refitd("logs", "latest").exit_code == 2


class TestSettings:
    """Which settings a command works with."""

    def test_config_may_stand_on_either_side(self, tmp_path: Path) -> None:
        """`refitd --config F run` and `refitd run --config F` are the same."""
        (tmp_path / "mine.toml").write_text('instance = "mine"\n')
        for arguments in (["--config", "mine.toml", "run"], ["run", "-c", "mine.toml"]):
            office = Office()
            said = refitd(*arguments, office=office, cwd=tmp_path)
            assert said.exit_code == 0, said.stderr
            assert office.settings is not None
            assert office.settings.instance == "mine"

    def test_what_was_passed_over_is_said(self) -> None:
        """By the audit log where there is one, else on stderr."""
        environ = ENVIRONMENT | {"IMAGE_TAG": "other:1"}
        logged = refitd("run", environ=environ)
        assert json.loads(logged.stderr.splitlines()[0])["event"] == "settings.noted"
        said = refitd("doctor", environ=environ)
        assert said.stderr.startswith("refitd: IMAGE_TAG is passed over")


class TestRun:
    """`refitd run`."""

    @pytest.mark.parametrize("code", [0, 1])
    def test_its_exit_code_is_the_daemons(self, code: int) -> None:
        """What the daemon ends with is what systemd sees."""
        assert refitd("run", office=Office(exit_code=code)).exit_code == code


class TestOnce:
    """`refitd once`."""

    @pytest.mark.parametrize(
        "results, code, text",
        [
            ([IDLE], 0, "backend: nothing to do: it is as the table says\n"),
            ([REBUILT], 0, "backend: rebuild succeeded: audit was added\n"),
            ([BROKEN], 1, "backend: rebuild failed: step 3 exited with 1\n"),
        ],
    )
    def test_it_says_what_it_did(self, results: list[OnceResult], code: int, text: str) -> None:
        """0 when there was nothing to do or it is done, else 1."""
        said = refitd("once", office=Office(results=results))
        assert (said.exit_code, said.stdout) == (code, text)

    def test_one_failure_of_several_is_a_failure(self) -> None:
        """Whatever else was done."""
        assert refitd("once", office=Office(results=[REBUILT, BROKEN])).exit_code == 1

    @pytest.mark.parametrize("state", ["rolled_back", "cancelled", "superseded", "pending"])
    def test_only_success_is_success(self, state: str) -> None:
        """A roll-back leaves the target serving, and still is not what was wanted."""
        result = OnceResult("backend", "rebuild", "r", state)  # type: ignore[arg-type]
        assert refitd("once", office=Office(results=[result])).exit_code == 1

    def test_nothing_with_an_error_is_no_success(self) -> None:
        """The container is missing, or another daemon holds the lease."""
        result = OnceResult("backend", "", "", "nothing", "there is no container")
        assert refitd("once", office=Office(results=[result])).exit_code == 1

    def test_for_machines(self) -> None:
        """One JSON document on stdout."""
        said = refitd("once", "--json", office=Office(results=[BROKEN]))
        assert json.loads(said.stdout) == [
            {
                "target": "backend",
                "action": "rebuild",
                "reason": "audit was added",
                "state": "failed",
                "error": "step 3 exited with 1",
            }
        ]


class TestTarget:
    """`--target`, where there are several."""

    @pytest.mark.parametrize("command", ["once", "plan"])
    def test_one_is_picked(self, command: str) -> None:
        """By its name; without it all are meant."""
        office = Office()
        refitd(command, "--target", "worker", office=office, environ=ENVIRONMENT | SECOND)
        assert office.asked_for == "worker"
        assert refitd(command, office=office, environ=ENVIRONMENT | SECOND).exit_code == 0
        assert office.asked_for is None

    @pytest.mark.parametrize("command", ["once", "plan", "status", "history", "rebuild"])
    def test_one_that_is_not_there(self, command: str) -> None:
        """The likeliest one is suggested."""
        said = refitd(command, "-t", "beckend")
        assert said.exit_code == 2
        assert said.stderr == "refitd: there is no target 'beckend'; did you mean 'backend'?\n"


class TestPlan:
    """`refitd plan`."""

    VIEW = PlanView(
        target="backend",
        decision="rebuild, by swap",
        reason="audit was added",
        steps=("build an image of audit, mail", "start the canary"),
        warnings=("its published port 8080 is random and will change",),
        refusals=("module id 'a b' is refused",),
    )

    def test_step_by_step(self) -> None:
        """Decision and reason, numbered steps, then what should be known."""
        said = refitd("plan", office=Office(views=[self.VIEW]))
        assert said.exit_code == 0
        assert said.stdout.splitlines() == [
            "backend: rebuild, by swap: audit was added",
            "   1. build an image of audit, mail",
            "   2. start the canary",
            "  note: its published port 8080 is random and will change",
            "  refused: module id 'a b' is refused",
        ]

    def test_for_machines(self) -> None:
        """The same as JSON."""
        said = refitd("plan", "--json", office=Office(views=[self.VIEW]))
        (view,) = json.loads(said.stdout)
        assert view["steps"] == list(self.VIEW.steps)


class TestDoctor:
    """`refitd doctor`."""

    WELL = Finding("engine", ok=True, detail="version 29.1, API 1.52")
    ILL = Finding("source", ok=False, detail="no branch main", remedy="correct `branch`")

    def test_all_is_well(self) -> None:
        """Exit code 0."""
        said = refitd("doctor", office=Office(found=[self.WELL]))
        assert said.exit_code == 0
        assert "ok" in said.stdout
        assert "version 29.1, API 1.52" in said.stdout

    def test_something_is_wrong(self) -> None:
        """Exit code 1, and how to mend it."""
        said = refitd("doctor", office=Office(found=[self.WELL, self.ILL]))
        assert said.exit_code == 1
        assert "NOT OK" in said.stdout
        assert "→ correct `branch`" in said.stdout

    def test_for_machines(self) -> None:
        """The same exit code."""
        said = refitd("doctor", "--json", office=Office(found=[self.ILL]))
        assert said.exit_code == 1
        assert json.loads(said.stdout)[0]["remedy"] == "correct `branch`"


def test_migrate_names_what_it_applied() -> None:
    """A line a file."""
    assert refitd("migrate").stdout == "001_schema.sql\n002_change.sql\n"


def test_gen_modules_gets_its_arguments_as_they_are(tmp_path: Path) -> None:
    """Its own options and its own exit codes; it needs no settings."""
    output = tmp_path / "registered_modules.py"
    arguments = ["--language", "python", "--modules", "audit", "--output", str(output)]
    assert refitd("gen-modules", *arguments, environ={}).exit_code == 0
    assert "audit" in output.read_text()
    assert refitd("gen-modules", *arguments[:-2], "--check", "--output", "/x", environ={}).exit_code
    assert refitd("gen-modules", "--modules", "a b", *arguments[:2], environ={}).exit_code == 2
