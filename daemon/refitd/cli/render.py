"""Values to text: tables and sentences for people, one JSON document for machines."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import typer
from rich import box
from rich.console import Console
from rich.status import Status as Spinner
from rich.table import Table
from rich.text import Text

from refitd.core.deployment import Deployment, StepRecord, TargetStatus
from refitd.core.finding import Finding
from refitd.core.report import OnceResult, PlanView

#: Where no terminal tells its width, lines are for `grep` and must not be broken.
_WIDE = 100_000

_STYLES = {
    "in_step": "green",
    "succeeded": "green",
    "nothing": "green",
    "behind": "yellow",
    "working": "cyan",
    "paused": "yellow",
    "cancelled": "yellow",
    "superseded": "yellow",
    "failed": "red",
    "rolled_back": "red",
    "missing": "red",
    "unwatched": "red",
    "unattended": "red",
}

#: Control characters that a build may write and a terminal would obey; colours may stay.
_CONTROL = re.compile(r"\x1b(?!\[[0-9;]*m)|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f]")


def statuses(rows: Sequence[TargetStatus], *, as_json: bool) -> None:
    if as_json:
        return _json(rows)
    table = _table("target", "condition", "deployment", "modules", "enabled", "pending", "detail")
    for row in rows:
        table.add_row(
            row.target,
            _coloured(row.condition),
            _at(row),
            str(len(row.modules)),
            str(len(row.enabled)),
            str(row.pending_changes),
            _one_line(row.detail if row.condition == "working" else row.error or row.detail),
        )
    return _print(table)


def _at(row: TargetStatus) -> str:
    if row.deployment_id is None:
        return ""
    steps = f" {row.progress_step}/{row.progress_total}" if row.progress_total else ""
    return f"{row.deployment_id} {row.action} {row.state}{steps}"


def deployments(rows: Sequence[Deployment], *, as_json: bool) -> None:
    if as_json:
        return _json(rows)
    table = _table("id", "target", "action", "state", "begun", "took", "outage", "commit", "reason")
    for row in rows:
        table.add_row(
            str(row.id),
            row.target,
            row.action,
            _coloured(row.state),
            row.created_at.astimezone().strftime("%Y-%m-%d %H:%M:%S"),
            _took(row),
            _seconds(row.outage_s),
            (row.commit or "")[:12],
            _one_line(row.error or row.reason),
        )
    return _print(table)


def deployment(
    row: Deployment, steps: Sequence[StepRecord], lines: Iterable[str], *, as_json: bool
) -> None:
    """One deployment, whole: build log, steps, and the end last, where the eye is."""
    if as_json:
        return _json({"deployment": row, "steps": steps, "log": list(lines)})
    for line in lines:
        log_line(line)
    if steps:
        table = _table("step", "took", "detail")
        for step in steps:
            said = _one_line(step.error or step.detail)
            table.add_row(step.step, _seconds(step.duration_s), said)
        _print(table)
    took = f" in {_took(row)}" if row.finished_at else ""
    outage = f", outage {_seconds(row.outage_s)}" if row.outage_s is not None else ""
    typer.echo(f"deployment {row.id} of {row.target}: {row.action} {row.state}{took}{outage}")
    return typer.echo(f"  {row.error or row.reason}")


def log_line(line: str) -> None:
    typer.echo(_CONTROL.sub("", line))


def log_line_as_json(line: str) -> None:
    """A document a line, for who reads them as they come."""
    _json({"line": line}, indent=None)


def followed(row: Deployment, steps: Sequence[StepRecord]) -> None:
    """The last document of a log that was followed: its lines have been said."""
    _json({"deployment": row, "steps": steps}, indent=None)


def requested(request_id: int, kind: str, target: str, *, as_json: bool) -> None:
    if as_json:
        return _json({"request": request_id, "kind": kind, "target": target})
    return typer.echo(f"request {request_id}: {kind} of {target}; see `refitd status`")


def answered(request_id: int, outcome: str, *, as_json: bool) -> None:
    """A request that came to no deployment."""
    if as_json:
        return _json({"request": request_id, "outcome": outcome})
    return typer.echo(f"request {request_id}: {outcome}")


def once(results: Sequence[OnceResult], *, as_json: bool) -> None:
    if as_json:
        return _json(results)
    for result in results:
        what = "nothing to do" if result.state == "nothing" else f"{result.action} {result.state}"
        typer.echo(f"{result.target}: {what}: {result.error or result.reason}")
    return None


def plans(views: Sequence[PlanView], *, as_json: bool) -> None:
    if as_json:
        return _json(views)
    for view in views:
        typer.echo(f"{view.target}: {view.decision}: {view.reason}")
        for number, step in enumerate(view.steps, start=1):
            typer.echo(f"  {number:>2}. {step}")
        if view.gate == ():
            typer.echo("  compared: a new container would be as the old one was asked to be")
        for warning in view.warnings:
            typer.echo(f"  note: {warning}")
        for refusal in view.refusals:
            typer.echo(f"  refused: {refusal}")
    return None


def findings(found: Sequence[Finding], *, as_json: bool) -> None:
    if as_json:
        return _json(found)
    table = _table("", "check", "detail")
    for finding in found:
        detail = Text(finding.detail)
        if finding.remedy and not finding.ok:
            detail.append(f"\n→ {finding.remedy}", style="bold")
        for note in finding.notes:
            detail.append(f"\nnote: {note}")
        mark = Text("ok", style="green") if finding.ok else Text("NOT OK", style="bold red")
        table.add_row(mark, finding.name, detail)
    return _print(table)


class Progress:
    """What a waiting command is at, on stderr: a spinner on a terminal, else a line a change."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._spinner = Spinner("", console=console) if console.is_terminal else None
        self._last = ""

    def __enter__(self) -> Self:
        if self._spinner:
            self._spinner.start()
        return self

    def show(self, text: str) -> None:
        line = _one_line(text)
        if self._spinner:
            self._spinner.update(line)
        elif text != self._last:
            typer.echo(line.plain, err=True)
        self._last = text

    def __exit__(
        self, _type: type[BaseException] | None, _error: object, _trace: TracebackType | None
    ) -> None:
        if self._spinner:
            self._spinner.stop()


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(column.upper(), overflow="fold")
    return table


def _print(table: Table) -> None:
    console = Console(highlight=False)
    if console.is_terminal:
        console.print(table)
        return
    table.box = None
    console = Console(highlight=False, width=_WIDE)
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        typer.echo(line.rstrip())


def _one_line(text: str) -> Text:
    """A row is a line, for `grep`; `refitd logs ID` has the lines of an error as they came."""
    return Text(" ".join(_CONTROL.sub("", text).split()))


def _coloured(word: str) -> Text:
    return Text(word, style=_STYLES.get(word, ""))


def _took(row: Deployment) -> str:
    if row.finished_at is None:
        return ""
    return _seconds((row.finished_at - (row.started_at or row.created_at)).total_seconds())


def _seconds(seconds: float | None) -> str:
    """
    >>> _seconds(0.757), _seconds(48.2), _seconds(754)
    ('757 ms', '48.2 s', '12 min 34 s')
    """
    if seconds is None:
        return ""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"


def _json(value: object, indent: int | None = 2) -> None:
    json.dump(value, sys.stdout, default=_plain, indent=indent, ensure_ascii=False)
    sys.stdout.write("\n")
    sys.stdout.flush()


def _plain(value: Any) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return dataclasses.asdict(value)
