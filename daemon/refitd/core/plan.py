"""What is to be done: (desired, observed) in, one decision with its reason out.

The truth is the table on the one side, and on the other what is known of the container that
runs: what it was built of, and what it read when it started (`Record`). Change rows never
decide; but for a container that refitd meets for the first time they tell whether it is
already behind.

Three decisions act (`Rebuild`, `Restart`, `Adopt`, the last in our own tables only) and one
does not (`Nothing`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from refitd.core.container import Container
from refitd.core.deployment import Quarantine, Record, Request, Snapshot
from refitd.core.fingerprint import build_key, run_key
from refitd.core.module import Desired
from refitd.core.target import Target


@dataclass(frozen=True, slots=True)
class Nothing:
    """Leave it as it is. `problem` is what a person should know, where that is why."""

    reason: str
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Adopt:
    """A container that refitd has not deployed: write down what it is taken to be."""

    record: Record
    reason: str


@dataclass(frozen=True, slots=True)
class Restart:
    """The same image, started anew, so that it reads the table again."""

    reason: str
    request_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Rebuild:
    """A new image. `fresh` where one that exists must not be used again: somebody asked."""

    reason: str
    request_ids: tuple[int, ...] = ()
    fresh: bool = False


Decision = Nothing | Adopt | Restart | Rebuild


@dataclass(frozen=True, slots=True)
class Wanted:
    """The desired state with its keys; `commit` only counts where the target follows its branch."""

    desired: Desired
    build_key: str
    run_key: str
    commit: str | None = None


def wanted(target: Target, desired: Desired, commit: str | None = None) -> Wanted:
    key = build_key(target, desired.specs, commit)
    return Wanted(desired, key, run_key(desired.enabled), commit)


def decide(
    target: Target, want: Wanted, snapshot: Snapshot, container: Container | None
) -> Decision:
    """Decide what one look calls for."""
    if not snapshot.watched:
        return Nothing(
            "no table is watched",
            f"{unwatched(target.name)}: run {call_to_watch(target.name)}",
        )
    if snapshot.paused:
        return Nothing("paused")
    if container is None:
        return Nothing(
            "the target container is missing",
            f"there is no container {target.container!r}: start it, and it is taken up",
        )
    if container.is_meant_by_id(target.container):
        return Nothing("the settings name the container by its id", id_for_name(target, container))
    record = snapshot.record
    if record is None or record.container_id != container.id:
        return _adopt(target, want, snapshot, container)
    return _act(want, snapshot, record, container)


def bring_up(decision: Decision, want: Wanted, snapshot: Snapshot, why: str) -> Decision:
    """The same for one that is down, is to run, and cannot simply be started: it is replaced,
    though nothing else is due. What failed is not tried in a loop there either."""
    asked = _asked(snapshot.requests, "rebuild", "restart", "retry")
    if isinstance(decision, Rebuild | Restart) and decision.request_ids:
        return decision
    built = snapshot.record.build_key if snapshot.record else ""
    barred = None if asked else _barred(want, built, snapshot, proofs_only=True)
    if barred is None:
        return Restart(why, asked)
    if isinstance(decision, Rebuild):
        return decision
    return _not_again(barred)


def unwatched(target: str) -> str:
    return f"no table is watched for target {target!r}"


def call_to_watch(target: str) -> str:
    """What its owner has to say in the database."""
    return f"SELECT refitd.watch('public.modules', target => '{target}')"


def id_for_name(target: Target, container: Container) -> str:
    """What to write in the settings where they have an id. It goes with its container, so the next
    one could not bear it: what is replaced is known by its name."""
    return (
        f"`target.{target.name}.container` is the id of container {container.name}, and the next"
        f' container has another: write its name, container = "{container.name}"'
    )


def _act(  # noqa: PLR0911 - one answer a case, in order of weight
    want: Wanted, snapshot: Snapshot, record: Record, container: Container
) -> Decision:
    answered = _asked(snapshot.requests, "rebuild", "restart", "retry")
    if _asked(snapshot.requests, "rebuild"):
        return Rebuild("a rebuild was requested", answered, fresh=True)
    retry = _asked(snapshot.requests, "retry")
    build_barred = None if retry else _barred(want, want.build_key, snapshot)
    if want.build_key != record.build_key and not build_barred:
        return Rebuild(_why_rebuild(want, record), answered)
    if _asked(snapshot.requests, "restart"):
        return Restart("a restart was requested", answered)
    toggled = _toggled(want.desired, record) | _unseen(want.desired, record, snapshot, container)
    # What did not build says nothing of what runs: only a failed proof bars a restart.
    run_barred = None if retry else _barred(want, record.build_key, snapshot, proofs_only=True)
    if toggled and not run_barred:
        return Restart(f"switched on or off: {_list(toggled)}", retry)
    if record.started_at != container.started_at and not toggled:
        return Adopt(
            replace(record, started_at=container.started_at),
            "it was started anew by somebody else; what it reads is unchanged",
        )
    barred = build_barred or (run_barred if toggled else None)
    if barred:
        return _not_again(barred)
    return Nothing("in step")


def _not_again(barred: Quarantine) -> Nothing:
    return Nothing(f"not tried again: {barred.cause}", barred.cause)


def _adopt(target: Target, want: Wanted, snapshot: Snapshot, container: Container) -> Adopt:
    """Take an unknown container as what the table says, less what has changed since.

    The record is written before anything is done, so that a failure or a crash cannot make the
    container pass for what it is not.
    """
    known = snapshot.record
    changed = {id_ for change in snapshot.changes for id_ in change.modules}
    behind = any(change.effect == "rebuild" for change in snapshot.changes)
    toggled = {i for c in snapshot.changes if c.effect == "restart" for i in c.modules}
    same_image = known is not None and known.image_id == container.image_id
    if known is not None and same_image:
        build, modules = known.build_key, known.modules
    elif behind or (target.adopt == "rebuild" and known is None):
        build = ""
        modules = tuple(m.spec for m in want.desired.modules if m.id not in changed)
    else:
        build, modules = want.build_key, want.desired.specs
    enabled = tuple(sorted(set(want.desired.enabled) ^ (toggled & _ids(want.desired.specs))))
    reason = "first contact" if known is None else "the container was replaced by somebody else"
    return Adopt(
        Record(
            container_id=container.id,
            image_id=container.image_id,
            started_at=container.started_at,
            build_key=build,
            modules=modules,
            enabled=enabled,
            commit=want.commit,
            adopted=True,
        ),
        f"{reason}: taken as it is" + ("" if build == want.build_key else ", known to be behind"),
    )


def still_barred(want: Wanted, snapshot: Snapshot) -> tuple[Quarantine, ...]:
    """The entries of the quarantine that are about the table as it is; the others are over.

    Each by itself: while a build stays barred, a toggle that failed, was taken back and is
    made again is tried again.
    """
    return tuple(e for e in snapshot.quarantine if _concerns(e, want, snapshot.record))


def _barred(
    want: Wanted, key: str, snapshot: Snapshot, *, proofs_only: bool = False
) -> Quarantine | None:
    """The quarantine entry, if any, that forbids an image of build key `key` for now."""
    for entry in snapshot.quarantine:
        if proofs_only and entry.run_key is None:
            continue
        waits = entry.retry_at is None or entry.retry_at > snapshot.at
        if waits and _matches(entry, want, key):
            return entry
    return None


def _concerns(entry: Quarantine, want: Wanted, record: Record | None) -> bool:
    keys = (want.build_key, record.build_key if record else "")
    return any(_matches(entry, want, key) for key in keys)


def _matches(entry: Quarantine, want: Wanted, key: str) -> bool:
    return entry.build_key == key and entry.run_key in (None, want.run_key)


def _asked(requests: Iterable[Request], *kinds: str) -> tuple[int, ...]:
    return tuple(request.id for request in requests if request.kind in kinds)


def _why_rebuild(want: Wanted, record: Record) -> str:
    before, after = set(record.modules), set(want.desired.specs)
    parts = []
    if after - before:
        parts.append(f"to be built in: {_list(after - before)}")
    if before - after:
        parts.append(f"to be left out: {_list(before - after)}")
    return "; ".join(parts) or "the source or the build settings changed"


def _toggled(desired: Desired, record: Record) -> set[str]:
    """Ids that are built in, still wanted, and switched otherwise than when it started."""
    here = _ids(record.modules) & _ids(desired.specs)
    return (set(desired.enabled) ^ set(record.enabled)) & here


def _unseen(desired: Desired, record: Record, snapshot: Snapshot, container: Container) -> set[str]:
    """Ids toggled, and perhaps back again, around a start that was none of ours: what it read
    cannot be told."""
    if record.started_at == container.started_at:
        return set()
    since = {id_ for change in snapshot.changes for id_ in change.modules}
    return since & _ids(record.modules) & _ids(desired.specs)


def _ids(specs: Iterable[str]) -> set[str]:
    return {spec.partition("@")[0] for spec in specs}


def _list(words: Iterable[str], most: int = 8) -> str:
    ordered = sorted(words)
    more = len(ordered) - most
    return ", ".join(ordered[:most]) + (f" and {more} more" if more > 0 else "")
