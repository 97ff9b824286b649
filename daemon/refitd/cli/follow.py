"""Following a request or a deployment to its end, by looking at the rows again and again.

Looking is what a person would do with `refitd status`, and holds up through a lost
connection of the daemon or its restart: the rows are all there is to know.
"""

from __future__ import annotations

from collections.abc import Callable

from refitd.core.deployment import ENDED, Deployment
from refitd.ports import Desk


def follow(
    desk: Desk,
    target: str,
    request_id: int,
    pause: Callable[[], None],
    show: Callable[[str], None],
) -> Deployment | str:
    """The deployment that a request led to, ended; or the words it was closed with."""
    while True:
        answer = desk.answer(request_id)
        deployment = _deployment(desk, answer.deployment_id)
        if deployment and deployment.state in ENDED:
            return deployment
        if deployment:
            show(in_words(deployment))
        elif answer.outcome is not None:
            return answer.outcome
        else:
            show(_why_nothing_happens(desk, target))
        pause()


def follow_log(
    desk: Desk,
    deployment: Deployment,
    pause: Callable[[], None],
    show: Callable[[str], None],
) -> Deployment:
    """Show the build log as it grows; answers the deployment as it ended."""
    shown = 0
    while True:
        # The state is read first: what was logged before the end is then sure to be shown.
        latest = _deployment(desk, deployment.id) or deployment
        lines = desk.build_log(deployment.id)
        for line in lines[shown:]:
            show(line)
        shown = len(lines)
        if latest.state in ENDED:
            return latest
        pause()


def in_words(deployment: Deployment) -> str:
    """What it is at, in a line: `deployment 41: building, step 3 of 9`."""
    parts = [f"deployment {deployment.id}: {deployment.state}"]
    if deployment.state == "building" and deployment.progress_step and deployment.progress_total:
        parts.append(f"step {deployment.progress_step} of {deployment.progress_total}")
    elif deployment.step:
        parts.append(deployment.step)
    return ", ".join(parts)


def _deployment(desk: Desk, deployment_id: int | None) -> Deployment | None:
    return None if deployment_id is None else desk.deployment(deployment_id)


def _why_nothing_happens(desk: Desk, target: str) -> str:
    held = any(row.holder for row in desk.status() if row.target == target)
    return "waiting to be taken up" if held else "waiting: no daemon is running for this target"
