"""`refitd plan`: what would be done now, and why, step by step; and nothing done.

The decision and the steps come of the very functions that the daemon follows, and so does what
stands against a replacement. What the fidelity gate will say is found out by a trial: a successor
of the present image is created, compared with the old one and removed, and never started. (What
only the new image brings about is not seen thereby.)

No lease is needed: a daemon may be at work meanwhile, and neither gets into the other's way.
"""

from __future__ import annotations

from dataclasses import replace

from refitd.core.container import Container
from refitd.core.deployment import Deployment, Snapshot
from refitd.core.goal import Goal, Succeeded
from refitd.core.plan import Adopt, Decision, Nothing, Rebuild, decide, wanted
from refitd.core.proof import PROVEN, Verdict, Watch, judge
from refitd.core.rehearsal import play, rehearse
from refitd.core.report import PlanView
from refitd.core.rollout import unlike
from refitd.core.route import make_goal, own_tag
from refitd.core.seen import Pair, Seen
from refitd.core.strategy import canary_objection
from refitd.core.target import Target
from refitd.core.wording import sentence
from refitd.errors import EngineRefused, ReplacementRefused
from refitd.ports import Engine, Git, Journal
from refitd.shell.cloner import Cloner
from refitd.shell.observe import who_is_there
from refitd.shell.vetting import Vetted, Vetting


def plan(
    target: Target, engine: Engine, git: Git, journal: Journal, cloner: Cloner, own_id: str | None
) -> PlanView:
    """Raises `DatabaseError`, `EngineError`, `SourceError`."""
    snapshot = journal.snapshot(target.name)
    unfinished = snapshot.unfinished
    if unfinished is not None and unfinished.goal is not None:
        return _gone_on_with(target, engine, unfinished, Goal.from_json(unfinished.goal))
    desired = snapshot.desired
    commit = git.commit(target.source) if target.source.follow else None
    want = wanted(target, desired, commit)
    container = engine.container(target.container)
    decision = decide(target, want, snapshot, container)
    notes = tuple(refusal.reason for refusal in desired.refused)
    if isinstance(decision, Adopt):
        notes = (decision.reason, *notes)
        snapshot = replace(snapshot, record=decision.record)
        decision = decide(target, want, snapshot, container)
    if isinstance(decision, Nothing) or container is None:
        reason = getattr(decision, "problem", None) or decision.reason
        return PlanView(target.name, "nothing", reason, warnings=notes)
    rebuild = isinstance(decision, Rebuild)
    vetted = Vetting(target, engine, journal, own_id).of(container, rebuild=rebuild)
    view = _view(target, engine, snapshot, container, decision, notes, vetted)
    return view if vetted.way == "restart" else _compared(view, cloner, container)


def _gone_on_with(target: Target, engine: Engine, deployment: Deployment, goal: Goal) -> PlanView:
    """What was begun comes first: from what the engine shows now, the steps that are left."""
    seen = who_is_there(engine, target, goal)
    everyone = (*seen.its_own, *seen.companions)
    verdicts = {each.id: _so_far(each, target) for each in everyone if each.state != "created"}
    # Whoever goes on with it gives them the benefit of the doubt: see `shell.interruptions`.
    down = frozenset(each.id for each in everyone if each.state in ("exited", "dead"))
    steps, outcome = play(goal, replace(seen, verdicts=verdicts, interrupted=down))
    ends = () if isinstance(outcome, Succeeded) else (f"end with: {outcome.cause}",)
    return PlanView(
        target.name,
        deployment.action,
        f"deployment {deployment.id} ({deployment.reason}) has not ended: the next look goes on"
        " with it",
        steps=(f"go on with the {goal.way}", *(sentence(step, goal) for step in steps), *ends),
        warnings=("what the table calls for besides is decided once that has ended",),
    )


def _so_far(container: Container, target: Target) -> Verdict:
    """Nothing goes wrong on paper but what has gone wrong already."""
    verdict = judge(container, Watch(0.0), 0.0, target.health)
    return verdict if verdict.is_ == "failed" else PROVEN


def _view(
    target: Target,
    engine: Engine,
    snapshot: Snapshot,
    container: Container,
    decision: Decision,
    notes: tuple[str, ...],
    vetted: Vetted,
) -> PlanView:
    rebuild = isinstance(decision, Rebuild)
    way, why = vetted.way, vetted.why
    tagged = engine.image(target.image)
    goal = make_goal(
        target,
        container,
        deployment=0,
        epoch=0,
        way=way,
        image_id="new" if rebuild else container.image_id,
        tag=own_tag(target, 0),
        tagged=tagged.id if tagged else None,
        before=snapshot.record,
        api_version=engine.info().api_version,
        rebuild=rebuild,
        companions=vetted.companions,
    )
    seen = Seen(
        old=container,
        pairs=tuple(Pair(each, engine.container(each.id)) for each in goal.companions),
        verdicts={container.id: PROVEN},
        tag_image=tagged.id if tagged else None,
    )
    steps = [f"{way}, because {why}"]
    if rebuild:
        steps.append("build an image with " + (", ".join(snapshot.desired.specs) or "no module"))
    without = canary_objection(target, container.inspect) if way != "overlap" else None
    if without:
        steps.append(f"no canary: {without}")
    steps += [sentence(step, goal) for step in rehearse(goal, seen)]
    return PlanView(
        target.name,
        "rebuild" if rebuild else "restart",
        decision.reason,
        steps=tuple(steps),
        warnings=(*notes, *vetted.warnings),
        refusals=vetted.refusals,
    )


def _compared(view: PlanView, cloner: Cloner, container: Container) -> PlanView:
    """The gate's answer beforehand. Where something else stands against it, that comes first."""
    if view.refusals:
        return view
    try:
        gate = cloner.trial(container)
    except (EngineRefused, ReplacementRefused) as error:
        said = f"a new container could not be made: {error}"
        return replace(view, refusals=(said,))
    differing = (unlike(gate),) if gate else ()
    return replace(view, gate=gate, refusals=differing)
