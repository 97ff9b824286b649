"""The commands over the rows: status, history, logs, and the requests."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC

import pytest

from refitd.core.deployment import Answer, StepRecord, TargetStatus
from tests.cli.office import ENVIRONMENT, NOON, SECOND, MemoryDesk, Office, a_deployment, refitd

BUILDING = TargetStatus(
    target="backend",
    condition="working",
    detail="audit was added",
    deployment_id=41,
    action="rebuild",
    state="building",
    progress_step=3,
    progress_total=9,
    modules=("audit", "mail"),
    enabled=("audit",),
    pending_changes=2,
    holder="one",
    updated_at=NOON,
)
LONG = "a reason that is much longer than a terminal is wide, " * 3


class TestStatus:
    """`refitd status`."""

    def test_a_line_a_target(self) -> None:
        """What it is at, how far, and how much waits."""
        office = Office(MemoryDesk([BUILDING]))
        line = refitd("status", office=office).stdout.splitlines()[-1]
        assert (
            " ".join(line.split())
            == "backend working 41 rebuild building 3/9 2 1 2 audit was added"
        )

    def test_a_line_stays_a_line_in_a_pipe(self) -> None:
        """Where no terminal has a width, `grep` finds all of it on one line."""
        row = TargetStatus("backend", "failed", "", error=LONG.strip())
        assert LONG.strip() in refitd("status", office=Office(MemoryDesk([row]))).stdout

    def test_what_rows_say_is_no_markup(self) -> None:
        """Brackets in an error are brackets."""
        row = TargetStatus("backend", "failed", "", error="[red]ARG[/] [a-z]+")
        assert "[red]ARG[/] [a-z]+" in refitd("status", office=Office(MemoryDesk([row]))).stdout

    def test_for_machines(self) -> None:
        """Every column, times as ISO 8601."""
        (row,) = json.loads(
            refitd("status", "--json", office=Office(MemoryDesk([BUILDING]))).stdout
        )
        assert row["progress_step"] == 3
        assert row["modules"] == ["audit", "mail"]
        assert row["updated_at"] == "2026-01-02T12:00:00+00:00"

    def test_targets_that_no_table_is_watched_for(self) -> None:
        """The database has no row of them yet; they are in the settings, and what to do is said."""
        office = Office(MemoryDesk([BUILDING]))
        said = refitd("status", "--json", office=office, environ=ENVIRONMENT | SECOND)
        backend, worker = json.loads(said.stdout)
        assert (backend["target"], backend["condition"]) == ("backend", "working")
        assert (worker["target"], worker["condition"]) == ("worker", "unwatched")
        assert "SELECT refitd.watch('public.modules', target => 'worker')" in worker["detail"]
        (only,) = json.loads(refitd("status", "--json", office=Office()).stdout)
        assert only["condition"] == "unwatched"

    def test_one_of_several(self) -> None:
        """`--target` leaves the others out."""
        other = TargetStatus("worker", "in_step", "")
        office = Office(MemoryDesk([BUILDING, other]))
        arguments = ["status", "--json", "-t", "worker"]
        rows = json.loads(refitd(*arguments, office=office, environ=ENVIRONMENT | SECOND).stdout)
        assert [row["target"] for row in rows] == ["worker"]


class TestHistory:
    """`refitd history`."""

    def test_newest_first_and_so_many(self) -> None:
        """With what it took and cost."""
        rows = [a_deployment(id_) for id_ in (39, 40, 41)]
        said = refitd("history", "-n", "2", office=Office(MemoryDesk(deployments=rows))).stdout
        lines = said.splitlines()[-2:]
        assert [line.split()[0] for line in lines] == ["41", "40"]
        for fact in ("rebuild", "succeeded", "48.2 s", "757 ms", "0123456789ab", "audit was added"):
            assert fact in lines[0]

    def test_for_machines(self) -> None:
        """All that the row has."""
        office = Office(MemoryDesk(deployments=[a_deployment()]))
        (row,) = json.loads(refitd("history", "--json", office=office).stdout)
        assert (row["id"], row["commit"]) == (41, "0123456789abcdef0123")
        assert row["created_at"] == NOON.astimezone(UTC).isoformat()

    def test_a_row_is_a_line(self) -> None:
        """Whatever lines an error has, and also in the status."""
        error = "the build failed:\n  one\r\n\ttwo\n"
        rows = [a_deployment(41, "failed", error=error), a_deployment(40)]
        status = TargetStatus("backend", "failed", "", error=error)
        office = Office(MemoryDesk([status], deployments=rows))
        for command, count in (("history", 2), ("status", 1)):
            head, *lines = refitd(command, office=office).stdout.splitlines()
            assert head.split()[-1] in ("REASON", "DETAIL")
            assert len(lines) == count
            assert "the build failed: one two" in lines[0]


class TestLogs:
    """`refitd logs ID`."""

    def rows(self) -> MemoryDesk:
        return MemoryDesk(
            deployments=[a_deployment(state="failed", error="step 2 exited with 1", outage_s=None)],
            steps_of={41: [StepRecord("build", 4.2, error="step 2 exited with 1")]},
            log_of={
                41: ["Step 1/2 : FROM base", "Step 2/2 : RUN \x1b[31mmake\x1b[0m \x1b]0;x\x07[all]"]
            },
        )

    def test_log_steps_and_end(self) -> None:
        """In the order things happened; the end last."""
        lines = refitd("logs", "41", office=Office(self.rows())).stdout.splitlines()
        assert lines[0] == "Step 1/2 : FROM base"
        assert "build" in lines[-3]
        assert "4.2 s" in lines[-3]
        assert lines[-2] == "deployment 41 of backend: rebuild failed in 48.2 s"
        assert lines[-1] == "  step 2 exited with 1"

    def test_a_build_cannot_command_the_terminal(self) -> None:
        """It sets no title and moves no cursor."""
        office = Office(self.rows())
        said = refitd("logs", "41", office=office).stdout
        assert "RUN make ]0;x[all]" in said  # a pipe gets no colours at all
        assert "\x07" not in said

    def test_for_machines(self) -> None:
        """Deployment, steps and log in one document."""
        told = json.loads(refitd("logs", "41", "--json", office=Office(self.rows())).stdout)
        assert told["deployment"]["state"] == "failed"
        assert told["steps"][0]["step"] == "build"
        assert len(told["log"]) == 2

    def test_one_that_is_not_there(self) -> None:
        """Exit code 2, and where to look."""
        said = refitd("logs", "7")
        assert said.exit_code == 2
        assert said.stderr == "refitd: there is no deployment 7; see `refitd history`\n"

    def test_following_a_build(self) -> None:
        """Each line once, in order, to the end."""
        rows = MemoryDesk(
            deployments=[a_deployment(state="building")], log_of={41: ["Step 1/2 : FROM base"]}
        )

        def go_on() -> None:
            rows.log_of[41] += ["Step 2/2 : RUN make", "done"]
            rows.deployments[0] = a_deployment(state="succeeded")

        lines = refitd("logs", "41", "-f", office=Office(rows), pause=go_on).stdout.splitlines()
        assert lines[:3] == ["Step 1/2 : FROM base", "Step 2/2 : RUN make", "done"]
        assert lines[3].startswith("deployment 41 of backend: rebuild succeeded")

    def test_following_as_json(self) -> None:
        """A document a line as it comes, and the deployment, as it ended, with its steps last."""
        rows = MemoryDesk(
            deployments=[a_deployment(state="building")],
            log_of={41: ["Step 1/2 : FROM base"]},
            steps_of={41: [StepRecord("build", 4.2)]},
        )

        def go_on() -> None:
            rows.log_of[41] += ['say "done"']
            rows.deployments[0] = a_deployment(state="succeeded")

        said = refitd("logs", "41", "-f", "--json", office=Office(rows), pause=go_on).stdout
        *lines, last = [json.loads(line) for line in said.splitlines()]
        assert lines == [{"line": "Step 1/2 : FROM base"}, {"line": 'say "done"'}]
        assert last["deployment"]["state"] == "succeeded"
        assert last["steps"][0]["step"] == "build"


class TestRequests:
    """`refitd rebuild | restart | retry`."""

    @pytest.mark.parametrize("kind", ["rebuild", "restart", "retry"])
    def test_a_request_is_a_row(self, kind: str) -> None:
        """The only target there is needs no naming."""
        office = Office()
        said = refitd(kind, office=office)
        assert said.stdout == f"request 1: {kind} of backend; see `refitd status`\n"
        assert office.rows.requests == [("backend", kind, {})]

    def test_for_machines(self) -> None:
        """The id is what to ask the rows by."""
        said = refitd("rebuild", "--json")
        assert json.loads(said.stdout) == {"request": 1, "kind": "rebuild", "target": "backend"}

    def test_of_several_targets_one_must_be_named(self) -> None:
        """Nothing is written for a guess."""
        office = Office()
        said = refitd("rebuild", office=office, environ=ENVIRONMENT | SECOND)
        assert said.exit_code == 2
        assert said.stderr == "refitd: which target? --target is one of backend, worker\n"
        assert office.rows.requests == []
        refitd("rebuild", "-t", "worker", office=office, environ=ENVIRONMENT | SECOND)
        assert office.rows.requests == [("worker", "rebuild", {})]

    @pytest.mark.parametrize("state, code", [("succeeded", 0), ("rolled_back", 1), ("failed", 1)])
    def test_waiting_for_its_end(self, state: str, code: int) -> None:
        """Progress on stderr, a line a change; the exit code says how it ended."""
        rows = MemoryDesk(steps_of={41: [StepRecord("build", 4.2)]})
        said = refitd("rebuild", "--wait", office=Office(rows), pause=daemon(rows, state))
        assert said.exit_code == code
        assert said.stderr.splitlines() == [
            "waiting: no daemon is running for this target",
            "waiting to be taken up",
            "deployment 41: building, step 3 of 9",
            "deployment 41: proving, start_canary",
        ]
        assert said.stdout.splitlines()[-2].startswith(f"deployment 41 of backend: rebuild {state}")

    def test_a_request_without_a_deployment(self) -> None:
        """It ends with the words it was closed with."""
        rows = MemoryDesk(answers={1: Answer(outcome="nothing to do: no failure is set aside")})
        said = refitd("retry", "--wait", office=Office(rows))
        assert said.exit_code == 0
        assert said.stdout == "request 1: nothing to do: no failure is set aside\n"


def daemon(rows: MemoryDesk, state: str) -> Callable[[], None]:
    """A daemon that goes one step further whenever the command line looks away."""

    def comes_up() -> None:
        rows.statuses.append(BUILDING)

    def builds() -> None:
        rows.answers[1] = Answer(deployment_id=41)
        rows.deployments = [a_deployment(state="building", progress_step=3, progress_total=9)]

    def is_still_building() -> None:
        pass

    def proves() -> None:
        rows.deployments = [a_deployment(state="proving", step="start_canary")]

    def ends() -> None:
        rows.deployments = [a_deployment(state=state)]  # type: ignore[arg-type]

    acts = iter([comes_up, builds, is_still_building, proves, ends])

    def look_away() -> None:
        next(acts)()

    return look_away
