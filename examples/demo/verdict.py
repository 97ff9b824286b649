"""Whether a scene ended as it should: everything that is wrong with it, in words."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from act import Act
from audit import Event
from load import Load, Request
from panel import Panel
from scenes import End
from target import Target

#: Far above what a replacement takes, far below what anybody would put up with.
LONGEST_OUTAGE_S = 10.0
#: Between the daemon's clock in its log and the engine at work.
SLACK_S = 0.1
#: Hardly ever one; but some may be on their way to the old one at the moment of its stop, more
#: of them on a busy machine. (A replacement by swap costs some tens.)
MOST_FAILED_IN_OVERLAP = 5


def faults(act: Act, noted: int) -> list[str]:
    """What is not as it should be; `noted` is how many changes the triggers have noted."""
    return [*_deployed(act), *_served(act), *_runs(act), *_noticed(act, noted)]


def strays(acts: Sequence[Act], targets: Iterable[Target], loads: Mapping[str, Load]) -> list[str]:
    """What happened besides: requests that failed in no scene, deployments that nobody asked for."""
    found = []
    for target in targets:
        played = [act for act in acts if act.target is target]
        inside = {each for act in played for each in act.tally.failed}
        outside = [each for each in loads[target.name].all() if each.failure and each not in inside]
        if outside:
            found.append(f"of {target.container}, between the scenes: {_told(outside)}")
        more = len(target.panel.deployments()) - sum(len(act.deployments) for act in played)
        wakes = [deployment["wake"] for deployment in target.panel.deployments()]
        if wakes and "notify" not in wakes:  # now and then a periodic look happens to be first
            found.append(f"{target.name} was never woken by a notification, but by {wakes}")
        if more:
            found.append(f"{target.name} had {more} more deployments than were asked for")
    return found


def _deployed(act: Act) -> Iterator[str]:
    """One deployment, or none, ended as the scene says and with its reason on record."""
    end, made = act.scene.end, act.deployments
    if end is None:
        if made:
            yield f"it led to {len(made)} deployments, where nothing was to be done"
        return
    if len(made) != 1:
        yield f"it led to {len(made)} deployments and not to one"
    for deployment in made:
        yield from _ended(deployment, end, act.target.panel)


def _ended(deployment: dict[str, Any], end: End, panel: Panel) -> Iterator[str]:
    wants = (("action", end.action), ("strategy", end.way), ("state", end.state))
    for name, wanted in wants:
        if deployment[name] != wanted:
            yield f"its {name} is {deployment[name]} and not {wanted}: {deployment['error']}"
    if end.error not in (deployment["error"] or ""):
        yield f"its error is {deployment['error']!r} and does not say {end.error!r}"
    if end.logged and end.logged not in panel.build_log(deployment["id"]):
        yield f"its log does not say {end.logged!r}"
    if end.replaces and deployment["outage_s"] is None:
        yield "its outage was not measured"
    if not end.replaces and deployment["outage_s"]:
        yield f"there was an outage of {deployment['outage_s']} s"


def _served(act: Act) -> Iterator[str]:
    """No request fails, but in the moment between the old one's stop and the new one's start."""
    end, failed = act.scene.end, act.tally.failed
    if end is None or not end.replaces:
        if failed:
            yield f"{_told(failed)}, where the old one was to serve throughout"
        return
    if end.way == "overlap":
        if len(failed) > MOST_FAILED_IN_OVERLAP:
            yield f"{_told(failed)}, with two of it side by side"
        return
    stopped_at = min((_began(e) for e in act.events if _takes_away(e)), default=float("inf"))
    early = [each for each in failed if each.finished < stopped_at - SLACK_S]
    if early:
        yield f"{_told(early)}, before the old one was stopped"
    if act.tally.longest_gap_s > LONGEST_OUTAGE_S:
        yield f"nothing was answered for {act.tally.longest_gap_s:.1f} s"


def _told(failed: Sequence[Request]) -> str:
    kinds = Counter(each.failure for each in failed).most_common()
    return f"{len(failed)} requests failed ({', '.join(f'{n} {kind}' for kind, n in kinds)})"


def _takes_away(event: Event) -> bool:
    return event.get("step") in {"stop_old", "restart"}


def _began(event: Event) -> float:
    return float(event.at - event.get("duration_s", 0.0))


def _runs(act: Act) -> Iterator[str]:
    """What runs is what the table says; or, where that cannot be had, what ran before."""
    target = act.target
    running, wanted = target.running(), target.panel.modules()
    if act.scene.stuck:
        wanted = target.last_good
    if running != wanted:
        yield f"the backend runs {running} and not {wanted}"
    target.last_good = running
    condition, wanted_condition = target.panel.status()["condition"], _condition(act)
    if condition != wanted_condition:
        yield f"the status is {condition} and not {wanted_condition}"


def _condition(act: Act) -> str:
    return "failed" if act.scene.stuck else "in_step"


def _noticed(act: Act, noted: int) -> Iterator[str]:
    if act.scene.noticed != bool(noted):
        yield f"the triggers noted {noted} changes"
