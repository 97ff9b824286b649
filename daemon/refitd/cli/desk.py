"""The commands over the rows: what is, what was, and requests for what should be.

The CLI has no way to the daemon but these rows, which a web app may use just as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from refitd.cli import render
from refitd.cli.follow import follow, follow_log
from refitd.cli.session import (
    FAILED,
    ConfigOption,
    JsonOption,
    Session,
    TargetOption,
    known,
    only,
    session_of,
)
from refitd.core.deployment import RequestKind, TargetStatus
from refitd.core.plan import call_to_watch, unwatched
from refitd.errors import BadRequest

WaitOption = Annotated[bool, typer.Option("--wait", "-w", help="Follow it to its end.")]


def add_to(cli: typer.Typer) -> None:
    cli.command()(status)
    cli.command()(history)
    cli.command()(logs)
    cli.command("rebuild")(_requesting("rebuild", "Ask for a new image and container."))
    cli.command("restart")(_requesting("restart", "Ask for a restart, so the table is read anew."))
    cli.command("retry")(_requesting("retry", "Ask to try again what failed and is set aside."))


def status(
    context: typer.Context,
    target: TargetOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Show how each target stands."""
    session = session_of(context)
    settings = session.settings(config)
    chosen = known(settings, target)
    with session.rooms.desk(settings) as desk:
        rows = _with_all(desk.status(), [each.name for each in settings.targets])
    render.statuses([row for row in rows if chosen in {None, row.target}], as_json=as_json)


def _with_all(rows: Sequence[TargetStatus], targets: Sequence[str]) -> list[TargetStatus]:
    """The database knows of a target once a table is watched for it; the settings do before."""
    there = {row.target for row in rows}
    missing = (name for name in targets if name not in there)
    unknown = (
        TargetStatus(name, "unwatched", f"{unwatched(name)}: {call_to_watch(name)}")
        for name in missing
    )
    return sorted([*rows, *unknown], key=lambda row: row.target)


def history(
    context: typer.Context,
    target: TargetOption = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many.")] = 20,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Show the latest deployments, newest first."""
    session = session_of(context)
    settings = session.settings(config)
    with session.rooms.desk(settings) as desk:
        rows = desk.history(known(settings, target), limit)
    render.deployments(rows, as_json=as_json)


def logs(
    context: typer.Context,
    deployment_id: Annotated[int, typer.Argument(metavar="ID", help="From `refitd history`.")],
    following: Annotated[
        bool,
        typer.Option("--follow", "-f", help="Go on until it ends; as JSON, a document a line."),
    ] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Show a deployment: its build log, its steps, and how it ended."""
    session = session_of(context)
    with session.rooms.desk(session.settings(config)) as desk:
        deployment = desk.deployment(deployment_id)
        if deployment is None:
            raise BadRequest(f"there is no deployment {deployment_id}; see `refitd history`")
        if not following:
            lines = desk.build_log(deployment_id)
            render.deployment(deployment, desk.steps(deployment_id), lines, as_json=as_json)
            return
        show = render.log_line_as_json if as_json else render.log_line
        deployment = follow_log(desk, deployment, session.pause, show)
        steps = desk.steps(deployment_id)
        if as_json:
            render.followed(deployment, steps)
        else:
            render.deployment(deployment, steps, (), as_json=False)


def _requesting(kind: RequestKind, help_: str) -> Callable[..., None]:
    """A command that writes a request of this kind."""

    def command(
        context: typer.Context,
        target: TargetOption = None,
        wait: WaitOption = False,
        as_json: JsonOption = False,
        config: ConfigOption = None,
    ) -> None:
        _request(session_of(context), kind, target, config, wait=wait, as_json=as_json)

    command.__doc__ = help_
    return command


def _request(
    session: Session,
    kind: RequestKind,
    target: str | None,
    config: str | None,
    *,
    wait: bool,
    as_json: bool,
) -> None:
    settings = session.settings(config)
    name = only(settings, target)
    with session.rooms.desk(settings) as desk:
        request_id = desk.request(name, kind, {})
        if not wait:
            render.requested(request_id, kind, name, as_json=as_json)
            return
        with render.Progress() as progress:
            ended = follow(desk, name, request_id, session.pause, progress.show)
        if isinstance(ended, str):
            render.answered(request_id, ended, as_json=as_json)
            return
        render.deployment(ended, desk.steps(ended.id), (), as_json=as_json)
        if ended.state != "succeeded":
            raise typer.Exit(FAILED)
