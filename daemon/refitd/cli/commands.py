"""`refitd` itself: the commands that run the daemon, look once, set up and check."""

from __future__ import annotations

from typing import Annotated

import typer

from refitd import __version__, gen_modules
from refitd.cli import desk, render
from refitd.cli.session import (
    FAILED,
    ConfigOption,
    Guarded,
    JsonOption,
    Session,
    TargetOption,
    known,
    session_of,
)

cli = typer.Typer(
    cls=Guarded,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done or nothing to do, 1 it did not work, 2 wrong usage or settings.",
)


def main() -> None:
    """The `refitd` command."""
    cli()


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"refitd {__version__}")
        raise typer.Exit


@cli.callback()
def refitd(
    context: typer.Context,
    config: ConfigOption = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which.")
    ] = False,
) -> None:
    """Keep a backend container in step with a Postgres `modules` table."""
    del version  # its callback has answered
    if context.obj is None:
        context.obj = Session()
    session_of(context).config = config


@cli.command()
def run(context: typer.Context, config: ConfigOption = None) -> None:
    """Run the daemon until SIGTERM."""
    session = session_of(context)
    raise typer.Exit(session.rooms.run(session.settings(config, acting=True)))


@cli.command()
def once(
    context: typer.Context,
    target: TargetOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Look once, act on what is due, and exit. 0: nothing to do, or done."""
    session = session_of(context)
    settings = session.settings(config, acting=True)
    results = session.rooms.once(settings, known(settings, target))
    render.once(results, as_json=as_json)
    if not all(result.ok for result in results):
        raise typer.Exit(FAILED)


@cli.command()
def plan(
    context: typer.Context,
    target: TargetOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Say what would be done now and why, step by step. Nothing is touched."""
    session = session_of(context)
    settings = session.settings(config)
    render.plans(session.rooms.plan(settings, known(settings, target)), as_json=as_json)


@cli.command()
def migrate(context: typer.Context, config: ConfigOption = None) -> None:
    """Install or update the schema `refitd`. Twice does no harm."""
    session = session_of(context)
    for line in session.rooms.migrate(session.settings(config)):
        typer.echo(line)


@cli.command()
def doctor(
    context: typer.Context, as_json: JsonOption = False, config: ConfigOption = None
) -> None:
    """Check the database, the engine, the source and the disk, and say how to mend them."""
    session = session_of(context)
    settings = session.settings(config)
    for note in settings.notes:
        typer.echo(f"refitd: {note}", err=True)
    findings = session.rooms.doctor(settings)
    render.findings(findings, as_json=as_json)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(FAILED)


@cli.command(
    "gen-modules",
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def generate(context: typer.Context) -> None:
    """Write the registry source file of a backend from `MODULES` (see its own --help)."""
    raise typer.Exit(gen_modules.main(context.args))


desk.add_to(cli)
