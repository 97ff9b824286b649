"""What a write means: each row of the table, first contact, and what is not tried again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest

from refitd.core.container import Container
from refitd.core.deployment import Change, Quarantine, Record, Request, RequestKind, Snapshot
from refitd.core.module import Row, desired_from
from refitd.core.plan import Adopt, Nothing, Rebuild, Restart, Wanted, decide, still_barred, wanted
from refitd.core.target import Source, Target

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SOURCE = Source(repo="https://git.example.org/core.git")
TARGET = Target("backend", "api", "api:latest", SOURCE)
CONTAINER = Container("id-1", "api", "image-1", "running", started_at="noon")

CRM, BILLING = Row("crm", None, enabled=True), Row("billing", None, enabled=True)
BASE = (BILLING, CRM)


def want_of(*rows: Row, target: Target = TARGET, commit: str | None = None) -> Wanted:
    """What the table with these rows calls for."""
    return wanted(target, desired_from(rows), commit)


def record_of(*rows: Row, **values: Any) -> Record:
    """What is known of a container that was built and started by these rows."""
    want = want_of(*rows)
    known = Record(
        CONTAINER.id,
        CONTAINER.image_id,
        CONTAINER.started_at,
        want.build_key,
        want.desired.specs,
        want.desired.enabled,
    )
    return replace(known, **values)


def snapshot_of(*rows: Row, record: Record | None = None, **values: Any) -> Snapshot:
    """The database, with a container that was built of `BASE`."""
    return Snapshot(NOW, rows=rows, record=record or record_of(*BASE), **values)


def change(effect: Literal["rebuild", "restart"], *ids: str) -> Change:
    """A row of `refitd.change`."""
    return Change(1, effect, ids, NOW)


def request(kind: RequestKind, id_: int = 7) -> Request:
    """A row of `refitd.request`."""
    return Request(id_, kind, {}, "operator", NOW)


def failed(want: Wanted, *, run: bool = False, retry_at: datetime | None = None) -> Quarantine:
    """A failed build, or with `run` a failed proof."""
    return Quarantine(want.build_key, want.run_key if run else None, 1, "it broke", 9, retry_at)


# -- What a write means ----------------------------------------------------------------------------

OFF = replace(CRM, enabled=False)
NEW = Row("mail", None, enabled=True)

WRITES: dict[str, tuple[tuple[Row, ...], type[object], str]] = {
    "inserted": ((*BASE, NEW), Rebuild, "to be built in: mail"),
    "inserted, disabled": ((*BASE, replace(NEW, enabled=False)), Rebuild, "to be built in: mail"),
    "deleted": ((BILLING,), Rebuild, "to be left out: crm"),
    "all deleted": ((), Rebuild, "to be left out: billing, crm"),
    "version": ((BILLING, replace(CRM, version="2")), Rebuild, "to be built in: crm@2; to be left"),
    "disabled": ((BILLING, OFF), Restart, "switched on or off: crm"),
    "both disabled": (
        (OFF, replace(BILLING, enabled=False)),
        Restart,
        "switched on or off: billing, crm",
    ),
    "a mixture": ((OFF, BILLING, NEW), Rebuild, "to be built in: mail"),
    "refused row": ((*BASE, Row("x y", None, enabled=True)), Nothing, "in step"),
    "back where it began": (BASE, Nothing, "in step"),
    "another order": (BASE[::-1], Nothing, "in step"),
}


@pytest.mark.parametrize("rows, kind, reason", WRITES.values(), ids=WRITES.keys())
def test_write(rows: tuple[Row, ...], kind: type[object], reason: str) -> None:
    """Each write calls for what the table in the design says, and says why."""
    decision = decide(TARGET, want_of(*rows), snapshot_of(*rows), CONTAINER)

    assert isinstance(decision, kind)
    assert getattr(decision, "reason").startswith(reason)  # noqa: B009 - of several classes


def test_changed_settings() -> None:
    """Another recipe is a rebuild, and the reason is not a module."""
    other = replace(TARGET, source=replace(SOURCE, branch="next"))

    decision = decide(other, want_of(*BASE, target=other), snapshot_of(*BASE), CONTAINER)
    assert decision == Rebuild("the source or the build settings changed")


def test_many_modules() -> None:
    """A reason names at most eight, and says how many more there are."""
    rows = [Row(f"m{n:02}", None, enabled=True) for n in range(12)]

    decision = decide(TARGET, want_of(*BASE, *rows), snapshot_of(*BASE), CONTAINER)
    assert isinstance(decision, Rebuild)
    assert decision.reason.endswith("m06, m07 and 4 more")


def test_push() -> None:
    """A new commit rebuilds where the branch is followed, and nowhere else."""
    follow = replace(TARGET, source=replace(SOURCE, follow=True))
    record = record_of(*BASE, build_key=want_of(*BASE, target=follow, commit="c1").build_key)
    snapshot = snapshot_of(*BASE, record=record)

    same = want_of(*BASE, target=follow, commit="c1")
    moved = want_of(*BASE, target=follow, commit="c2")
    assert isinstance(decide(follow, same, snapshot, CONTAINER), Nothing)
    assert isinstance(decide(follow, moved, snapshot, CONTAINER), Rebuild)
    assert isinstance(
        decide(TARGET, want_of(*BASE, commit="c2"), snapshot_of(*BASE), CONTAINER), Nothing
    )


def test_started_by_somebody_else() -> None:
    """A start that refitd does not know is only written down, as nothing was switched since."""
    again = replace(CONTAINER, started_at="later")

    decision = decide(TARGET, want_of(*BASE), snapshot_of(*BASE), again)
    assert isinstance(decision, Adopt)
    assert decision.record == record_of(*BASE, started_at="later")


def test_started_by_somebody_else_and_toggled() -> None:
    """With a toggle besides, nobody knows what it read: a restart is due."""
    again = replace(CONTAINER, started_at="later")

    assert isinstance(
        decide(TARGET, want_of(OFF, BILLING), snapshot_of(OFF, BILLING), again), Restart
    )


# -- Nothing can be done ---------------------------------------------------------------------------


def test_unwatched() -> None:
    """Without a watched table nothing is wanted, and a person is told what to run."""
    decision = decide(TARGET, want_of(), snapshot_of(watched=False), CONTAINER)

    assert isinstance(decision, Nothing)
    assert "SELECT refitd.watch(" in (decision.problem or "")


def test_paused() -> None:
    """A paused target is left alone whatever is asked."""
    snapshot = snapshot_of(NEW, paused=True, requests=(request("rebuild"),))

    assert decide(TARGET, want_of(NEW), snapshot, CONTAINER) == Nothing("paused")


def test_named_by_its_id() -> None:
    """An id in the settings, whole or in part, is refused with the name to write instead; a name
    that looks like one is a name, and so is what begins as the id of one that was renamed."""
    long = replace(CONTAINER, id="0123456789abcdef" * 4)
    for word in (long.id, long.id[:12]):
        target = replace(TARGET, container=word)
        decision = decide(target, want_of(*BASE, NEW), snapshot_of(*BASE, NEW), long)
        assert isinstance(decision, Nothing)
        assert decision.problem is not None
        assert "`target.backend.container` is the id of container api" in decision.problem
        assert 'container = "api"' in decision.problem
    snapshot = snapshot_of(*BASE, record=record_of(*BASE, container_id=long.id))
    for named in (replace(TARGET, container=long.id[:4]), replace(TARGET, container="other")):
        assert decide(named, want_of(*BASE), snapshot, long) == Nothing("in step")
    hexadecimal = replace(long, name=long.id[:12])
    target = replace(TARGET, container=hexadecimal.name)
    assert decide(target, want_of(*BASE), snapshot, hexadecimal) == Nothing("in step")


def test_missing() -> None:
    """A container that is missing is said and waited for, never invented."""
    decision = decide(TARGET, want_of(NEW), snapshot_of(NEW), None)

    assert isinstance(decision, Nothing)
    assert decision.problem == "there is no container 'api': start it, and it is taken up"


# -- First contact ---------------------------------------------------------------------------------


def adopted(snapshot: Snapshot, target: Target = TARGET) -> Record:
    """The record of a container that is met for the first time."""
    decision = decide(target, want_of(*snapshot.rows, target=target), snapshot, CONTAINER)
    assert isinstance(decision, Adopt)
    assert decision.record.adopted
    return decision.record


def test_first_contact() -> None:
    """An unknown container is taken to be what the table says: nothing is done to it."""
    snapshot = Snapshot(NOW, rows=BASE)
    record = adopted(snapshot)

    assert record == record_of(*BASE, adopted=True)
    after = replace(snapshot, record=record)
    assert decide(TARGET, want_of(*BASE), after, CONTAINER) == Nothing("in step")


def test_first_contact_behind() -> None:
    """Rows that changed since the table was watched are not in it: it is rebuilt, and the
    reason names them."""
    snapshot = Snapshot(NOW, rows=(*BASE, NEW), changes=(change("rebuild", "mail"),))
    record = adopted(snapshot)

    decision = decide(TARGET, want_of(*BASE, NEW), replace(snapshot, record=record), CONTAINER)
    assert decision == Rebuild("to be built in: mail")


def test_first_contact_toggled() -> None:
    """A toggle since the table was watched is a restart."""
    snapshot = Snapshot(NOW, rows=(BILLING, OFF), changes=(change("restart", "crm"),))
    record = adopted(snapshot)

    decision = decide(TARGET, want_of(BILLING, OFF), replace(snapshot, record=record), CONTAINER)
    assert decision == Restart("switched on or off: crm")


def test_crash_after_first_contact() -> None:
    """The record written at first contact keeps it behind: a daemon that dies between that and
    the rebuild does not take the old container for a new one, its changes acknowledged or not."""
    snapshot = Snapshot(NOW, rows=(*BASE, NEW), changes=(change("rebuild", "mail"),))
    later = Snapshot(NOW, rows=(*BASE, NEW), record=adopted(snapshot))

    assert isinstance(decide(TARGET, want_of(*BASE, NEW), later, CONTAINER), Rebuild)


def test_adopt_rebuild() -> None:
    """`adopt = "rebuild"` converges at once."""
    target = replace(TARGET, adopt="rebuild")
    snapshot = Snapshot(NOW, rows=BASE)
    record = adopted(snapshot, target)

    decision = decide(target, want_of(*BASE), replace(snapshot, record=record), CONTAINER)
    assert isinstance(decision, Rebuild)


def test_replaced_by_hand_same_image() -> None:
    """A container that somebody made anew of the same image is still built of the same."""
    record = record_of(BILLING, container_id="gone", enabled=())
    snapshot = snapshot_of(*BASE, record=record)
    new = adopted(snapshot)

    assert (new.build_key, new.modules) == (record.build_key, record.modules)
    assert isinstance(
        decide(TARGET, want_of(*BASE), replace(snapshot, record=new), CONTAINER), Rebuild
    )


def test_replaced_by_hand_other_image() -> None:
    """One of another image is taken as it is, as at first contact."""
    record = record_of(BILLING, container_id="gone", image_id="another")

    assert adopted(snapshot_of(*BASE, record=record)).modules == ("billing", "crm")


# -- Requests --------------------------------------------------------------------------------------


def test_rebuild_requested() -> None:
    """A rebuild that is asked for is fresh, and takes up all that it answers."""
    asked = (request("restart", 1), request("rebuild", 2), request("retry", 3))
    snapshot = snapshot_of(*BASE, requests=asked)

    decision = decide(TARGET, want_of(*BASE), snapshot, CONTAINER)
    assert decision == Rebuild("a rebuild was requested", (1, 2, 3), fresh=True)


def test_rebuild_requested_of_what_failed() -> None:
    """... even where the build has failed before."""
    want = want_of(NEW)
    snapshot = snapshot_of(NEW, requests=(request("rebuild"),), quarantine=(failed(want),))

    assert isinstance(decide(TARGET, want, snapshot, CONTAINER), Rebuild)


def test_restart_requested() -> None:
    """A restart that is asked for is done where nothing calls for it."""
    snapshot = snapshot_of(*BASE, requests=(request("restart"),))

    decision = decide(TARGET, want_of(*BASE), snapshot, CONTAINER)
    assert decision == Restart("a restart was requested", (7,))


def test_restart_requested_while_a_rebuild_is_due() -> None:
    """A rebuild starts it anew: the request for a restart is answered by it."""
    snapshot = snapshot_of(*BASE, NEW, requests=(request("restart"),))

    decision = decide(TARGET, want_of(*BASE, NEW), snapshot, CONTAINER)
    assert decision == Rebuild("to be built in: mail", (7,))


def test_retry_of_nothing() -> None:
    """A retry where nothing failed does nothing."""
    snapshot = snapshot_of(*BASE, requests=(request("retry"),))

    assert decide(TARGET, want_of(*BASE), snapshot, CONTAINER) == Nothing("in step")


# -- What failed is not tried in a loop ------------------------------------------------------------


def test_failed_build() -> None:
    """A failed build is not tried again; the cause is the problem that is shown."""
    want = want_of(*BASE, NEW)
    snapshot = snapshot_of(*BASE, NEW, quarantine=(failed(want),))

    decision = decide(TARGET, want, snapshot, CONTAINER)
    assert decision == Nothing("not tried again: it broke", "it broke")


def test_failed_build_and_toggle() -> None:
    """What runs is served meanwhile: its toggles restart it, and one of the module that did
    not build does nothing."""
    for rows, kind in [
        ((BILLING, OFF, NEW), Restart),
        ((*BASE, replace(NEW, enabled=False)), Nothing),
    ]:
        want = want_of(*rows)
        snapshot = snapshot_of(*rows, quarantine=(failed(want),))
        assert isinstance(decide(TARGET, want, snapshot, CONTAINER), kind)


def test_requested_rebuild_that_failed_and_toggle() -> None:
    """Nor does a build of the very list that runs, asked for and failed, stand in the way of a
    toggle: it says nothing of what runs."""
    bar = (failed(want_of(*BASE)),)
    decision = decide(
        TARGET, want_of(BILLING, OFF), snapshot_of(BILLING, OFF, quarantine=bar), CONTAINER
    )
    assert isinstance(decision, Restart)


def test_failed_build_and_restart_request() -> None:
    """A restart can be had meanwhile, too."""
    want = want_of(*BASE, NEW)
    snapshot = snapshot_of(*BASE, NEW, quarantine=(failed(want),), requests=(request("restart"),))

    assert isinstance(decide(TARGET, want, snapshot, CONTAINER), Restart)


def test_failed_build_of_another_list() -> None:
    """Another module list is another build: it is tried."""
    snapshot = snapshot_of(*BASE, NEW, quarantine=(failed(want_of(NEW)),))

    assert isinstance(decide(TARGET, want_of(*BASE, NEW), snapshot, CONTAINER), Rebuild)


def test_failed_proof() -> None:
    """A failed proof bars the same modules with the same ones enabled, and nothing else."""
    want = want_of(*BASE, NEW)
    bar = (failed(want, run=True),)
    other = (*BASE, replace(NEW, enabled=False))

    assert isinstance(
        decide(TARGET, want, snapshot_of(*BASE, NEW, quarantine=bar), CONTAINER), Nothing
    )
    assert isinstance(
        decide(TARGET, want_of(*other), snapshot_of(*other, quarantine=bar), CONTAINER), Rebuild
    )


def test_failed_restart() -> None:
    """A toggle whose restart failed is not tried again, the opposite one is."""
    off = want_of(BILLING, OFF)
    bar = (failed(off, run=True),)
    record = record_of(BILLING, OFF, enabled=("billing",))

    assert isinstance(
        decide(TARGET, off, snapshot_of(BILLING, OFF, quarantine=bar), CONTAINER), Nothing
    )
    back = snapshot_of(*BASE, record=record, quarantine=bar)
    assert isinstance(decide(TARGET, want_of(*BASE), back, CONTAINER), Restart)


def test_transient() -> None:
    """Where the cause may pass by itself, it is tried again when the delay is over."""
    want = want_of(*BASE, NEW)
    for seconds, kind in [(1, Nothing), (0, Rebuild), (-1, Rebuild)]:
        bar = (failed(want, retry_at=NOW + timedelta(seconds=seconds)),)
        snapshot = snapshot_of(*BASE, NEW, quarantine=bar)
        assert isinstance(decide(TARGET, want, snapshot, CONTAINER), kind)


def test_retry() -> None:
    """A retry is a rebuild of what failed to build, and a restart of what failed to start."""
    build, toggle = want_of(*BASE, NEW), want_of(BILLING, OFF)
    asked = (request("retry"),)

    first = snapshot_of(*BASE, NEW, requests=asked, quarantine=(failed(build),))
    assert decide(TARGET, build, first, CONTAINER) == Rebuild("to be built in: mail", (7,))
    second = snapshot_of(BILLING, OFF, requests=asked, quarantine=(failed(toggle, run=True),))
    assert decide(TARGET, toggle, second, CONTAINER) == Restart("switched on or off: crm", (7,))


def test_still_barred() -> None:
    """An entry stays in force while the table is as it was when it failed, and no longer."""
    build, proof = failed(want_of(*BASE, NEW)), failed(want_of(BILLING, OFF), run=True)
    snapshot = snapshot_of(quarantine=(build, proof))

    assert still_barred(want_of(*BASE, NEW), snapshot) == (build,)
    assert still_barred(want_of(BILLING, OFF), snapshot) == (proof,)
    assert still_barred(want_of(*BASE), snapshot) == ()


def test_still_barred_without_a_record() -> None:
    """A failure before anything is known of the container is in force, too."""
    bar = failed(want_of(NEW))

    assert still_barred(want_of(NEW), Snapshot(NOW, quarantine=(bar,))) == (bar,)
