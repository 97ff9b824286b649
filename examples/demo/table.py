"""The table at the end: every scene, what refitd did about it, and what its users noticed."""

from collections.abc import Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from act import Act
from load import Load
from view import View

#: A terminal this narrow gets the columns without air between them.
NARROW = 100


def show(view: View, acts: Sequence[Act], loads: Sequence[Load]) -> None:
    """Print the table, and below it what the requests came to."""
    air = 0 if view.console.width < NARROW else (0, 1)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=air)
    table.add_column("scene")
    table.add_column("deployment")
    table.add_column("result", no_wrap=True)
    table.add_column("requests", justify="right", no_wrap=True)
    table.add_column("failed", justify="right", no_wrap=True)
    table.add_column("longest gap", justify="right", min_width=7)
    table.add_column("outage", justify="right", no_wrap=True)
    table.add_column("took", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for act in acts:
        table.add_row(*_row(act))
    view.show("")
    view.show(table)
    view.show(_summary(acts, loads))


def _row(act: Act) -> list[str | Text]:
    made, tally = act.deployment, act.tally
    return [
        act.scene.title,
        _deployment(made) if made else "none",
        made["state"] if made else "in step",
        str(tally.requests),
        str(len(tally.failed)),
        _seconds(tally.longest_gap_s),
        _seconds(made["outage_s"] if made else None),
        f"{act.took_s:.1f} s",
        Text("NOT OK", "bold red") if act.faults else Text("ok", "green"),
    ]


def _deployment(made: dict[str, Any]) -> str:
    how = "in place" if made["strategy"] == "restart" else f"by {made['strategy']}"
    return f"{made['id']} {made['action']} {how}"


def _seconds(seconds: float | None) -> str:
    return "none" if seconds is None else f"{seconds * 1000:.0f} ms"


def _summary(acts: Sequence[Act], loads: Sequence[Load]) -> str:
    made = [each for load in loads for each in load.all()]
    failed = sum(1 for each in made if each.failure)
    deployments = sum(len(act.deployments) for act in acts)
    well = sum(1 for act in acts if not act.faults)
    return (
        f"\n{well} of {len(acts)} scenes ended as they should; {deployments} deployments; "
        f"{len(made)} requests, {failed} failed. 'longest gap' is between two answers, as the "
        "requests found it; 'outage' is what refitd itself measured.\n"
    )
