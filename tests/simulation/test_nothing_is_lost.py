"""D8, and all else that must hold whatever happens: a random history, and what is true of it.

Daemons are started, killed, frozen and cut off, notifications are lost and doubled, rows are
written all the while; commits become visible in another order than their numbers. Then:

* what was last committed is what was last applied, each change is answered for, nothing is left;
* nobody waits longer than the longest wait, counting the time in which the holder of the lease
  was there, was not cut off, and was not at work on something else;
* no deposed holder acts: of one that was frozen at most the call already decided gets through.

That the machine finds what it should is shown too: a daemon with a planted fault does not pass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from refitd.core.deployment import Snapshot
from refitd.core.module import Row
from refitd.shell.listen import Listener
from refitd.shell.tenure import Tenure
from tests.contracts.memory_journal import MemoryJournal
from tests.shell.house import NAME, check_in_step
from tests.simulation import member
from tests.simulation.district import District, rows
from tests.simulation.member import TIMING
from tests.simulation.wires import Way

NAMES = ("one", "two", "three")
#: A read on a wire that fell silent, and the try after it.
SLACK_S = 4.0
#: After every fault is over: the longest lease that a dead one may have left, and the work to do.
CALM_S = 300.0

tables = st.lists(
    st.tuples(st.sampled_from(["billing", "crm", "mail"]), st.booleans()),
    unique_by=lambda row: row[0],
    max_size=3,
).map(lambda specs: rows(*sorted(specs)))
who = st.sampled_from(NAMES)


class History(RuleBasedStateMachine):
    """D8: whatever may happen to a panel in a bad week, and in whichever order, what was last
    committed is what was last applied."""

    @initialize(seed=st.integers(0, 2**16), build_s=st.sampled_from((0.5, 4.0, 20.0)))
    def begin(self, seed: int, build_s: float) -> None:
        """One daemon, at rest, with another standing by."""
        self.district = District(seed, build_s=build_s)
        for name in NAMES[:2]:
            self.district.start(name)
        self.district.baton.run(5.0)

    # -- the panel -----------------------------------------------------------------------------

    @rule(table=tables, copies=st.sampled_from((1, 1, 1, 0, 2)))
    def write(self, table: tuple[Row, ...], copies: int) -> None:
        """A commit, whose notification arrives, is lost, or arrives twice."""
        self.district.write(table, copies)

    @rule(table=tables)
    def write_late(self, table: tuple[Row, ...]) -> None:
        """A change that got its number now, and is committed later."""
        self.district.begin_write(table)

    @precondition(lambda self: self.district.uncommitted)
    @rule()
    def commit(self) -> None:
        """The one that waits longest."""
        self.district.commit()

    @rule(gap_s=st.floats(0.3, 1.9), times=st.integers(2, 20))
    def stream(self, gap_s: float, times: int) -> None:
        """Somebody keeps on writing."""
        for n in range(times):
            self.district.write(rows(("crm", True), (f"m{n}", True)), 1)
            self.district.baton.run(gap_s)

    @rule(seconds=st.floats(0.01, 40.0))
    def pass_time(self, seconds: float) -> None:
        """A while without anything new."""
        self.district.baton.run(seconds)

    # -- the daemons ---------------------------------------------------------------------------

    @rule(name=who)
    def start_or_kill(self, name: str) -> None:
        """SIGKILL, or a start."""
        if name in self.district.daemons:
            self.district.kill(name)
        else:
            self.district.start(name)

    @rule(name=who)
    def freeze_or_thaw(self, name: str) -> None:
        """SIGSTOP, or SIGCONT."""
        if name in self.district.frozen:
            self.district.thaw(name)
        elif name in self.district.daemons:
            self.district.freeze(name)

    @rule(name=who, way=st.sampled_from(("refused", "silent")))
    def cut_or_heal(self, name: str, way: Way) -> None:
        """Its way to the database is cut, or whole again."""
        daemon = self.district.daemons.get(name)
        if daemon is None:
            return
        if daemon.way == "up":
            daemon.cut(way)
        else:
            daemon.heal()

    @rule(name=who, how=st.sampled_from(("strand", "end")))
    def break_listener(self, name: str, how: Literal["strand", "end"]) -> None:
        """Its connections go silent, or its listener's is ended."""
        daemon = self.district.daemons.get(name)
        if daemon is None:
            return
        if how == "strand":
            daemon.strand()
        else:
            daemon.ear.end()

    # -- what holds ----------------------------------------------------------------------------

    def teardown(self) -> None:
        """Every fault ends, and after a while all is as it should be."""
        if not hasattr(self, "district"):
            return
        district = self.district
        while district.uncommitted:
            district.commit()
        for name in list(district.frozen):
            district.thaw(name)
        for daemon in district.daemons.values():
            daemon.heal()
        if not district.daemons:
            district.start("one")
        district.baton.run(CALM_S)
        try:
            self._check_outbox()
            check_in_step(district.database, district.engine)
            self._check_toggles()
            self._check_waits()
            self._check_acts()
        finally:
            for name in list(district.daemons):
                district.kill(name)

    def _check_outbox(self) -> None:
        open_ = {id_ for id_, row in self.district.database.changes.items() if not row.handled}
        assert not open_, f"never answered for: {open_}"
        early = {id_ for id_, at in self.district.taken_at.items() if at < self._committed(id_)}
        assert not early, f"answered for before they were committed: {early}"

    def _check_toggles(self) -> None:
        """What runs read at its start what the table has on, and not only the books say so."""
        district = self.district
        serving = district.engine.container("api")
        assert serving
        rows_ = district.database.rows[NAME]
        here, on = {row.id for row in rows_}, {row.id for row in rows_ if row.enabled}
        read = district.read.get(serving.id)
        assert read is None or read & here == on, f"switched on {on}, and it read {set(read)}"

    def _check_waits(self) -> None:
        for id_, waited_s in self.district.waited_s.items():
            unheard = id_ in self.district.unheard
            bound_s = TIMING.longest_wait_s + SLACK_S + (TIMING.poll_s if unheard else 0.0)
            assert waited_s <= bound_s, f"change {id_} waited {waited_s:.1f} s"

    def _check_acts(self) -> None:
        late = [(act.daemon, act.freezes) for act in self.district.acts if act.deposed]
        assert all(freezes for _, freezes in late), f"deposed, and acts: {late}"
        assert len(late) == len(set(late)), f"more than the call already decided: {late}"

    def _committed(self, change_id: int) -> float:
        return self.district.committed_at[change_id]


WHOLE = settings(
    max_examples=100,
    stateful_step_count=30,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],  # what is found is long, and slow to make shorter
)
#: The same histories in each run: what finds a fault today finds it tomorrow.
PLANTED = settings(WHOLE, max_examples=400, derandomize=True, database=None)

TestNothingIsLost = History.TestCase
TestNothingIsLost.settings = WHOLE


# -- It finds what is there to be found -------------------------------------------------------------


def _no_look_after_reconnect(patch: pytest.MonkeyPatch) -> None:
    """The listener: LISTEN, and no look behind it."""
    connect = Listener._connect

    def deaf(self: Listener) -> None:
        poke, self._poke = self._poke, lambda _wake: None
        try:
            connect(self)
        finally:
            self._poke = poke

    patch.setattr(Listener, "_connect", deaf)


def _no_longest_wait(patch: pytest.MonkeyPatch) -> None:
    """The debouncer: each write puts the rebuild off, for ever."""
    patch.setattr(member, "TIMING", replace(TIMING, longest_wait_s=1e9))


def _cursor(patch: pytest.MonkeyPatch) -> None:
    """The outbox: what is below the highest number that was dealt with is not looked at."""
    snapshot = MemoryJournal.snapshot

    def above(self: MemoryJournal, target: str) -> Snapshot:
        handled = [id_ for id_, row in self.database.changes.items() if row.handled]
        seen = snapshot(self, target)
        changes = tuple(each for each in seen.changes if each.id > max(handled, default=0))
        return replace(seen, changes=changes)

    patch.setattr(MemoryJournal, "snapshot", above)


def _blind_trust(patch: pytest.MonkeyPatch) -> None:
    """The lease: once had, it is believed in until somebody says otherwise."""
    patch.setattr(Tenure, "check", lambda _self: None)
    patch.setattr(Tenure, "reassure", lambda _self: None)


def _no_heartbeat(patch: pytest.MonkeyPatch) -> None:
    """The listener: a connection that is open is believed to deliver."""
    patch.setattr(Listener, "_overdue", lambda _self: False)
    patch.setattr(Listener, "_unproven", lambda _self: False)


@pytest.mark.parametrize(
    "plant, finding",
    [
        pytest.param(_no_look_after_reconnect, "waited", id="no look after a reconnect"),
        pytest.param(_no_heartbeat, "waited", id="no heartbeat"),
        pytest.param(_no_longest_wait, "waited", id="no longest wait"),
        pytest.param(_cursor, "never answered for", id="a cursor in the outbox"),
        pytest.param(_blind_trust, "deposed", id="blind trust in the lease"),
    ],
)
def test_a_planted_fault_is_found(
    plant: Callable[[pytest.MonkeyPatch], None], finding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the daemon has the fault, some history of the first few hundred shows it."""
    plant(monkeypatch)
    with pytest.raises(AssertionError, match=finding):
        run_state_machine_as_test(History, settings=PLANTED)
