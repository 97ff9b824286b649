"""Whatever is written, at whatever moment of what is under way: it ends as the table says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from refitd.core.deployment import Wake
from refitd.core.module import Row
from refitd.core.target import Timing
from tests.shell.fakes import FakeLog
from tests.shell.house import BILLING, CRM, MAIL, TARGET, House
from tests.shell.shift import Shift


class Moments(list[tuple[str, str, dict[str, Any]]]):
    """What is said, and what the engine is asked to do: `pass_by` hears the number of each, that
    of the look which finds nothing more to do included."""

    def __init__(self) -> None:
        super().__init__()
        self.number = 0
        self.pass_by: Callable[[int], None] = lambda _number: None

    def append(self, line: tuple[str, str, dict[str, Any]]) -> None:
        """A line of the log."""
        super().append(line)
        self.one()

    def one(self) -> None:
        """A moment."""
        self.number += 1
        self.pass_by(self.number)


def rebuilt(script: Mapping[int, Sequence[tuple[Row, ...]]]) -> tuple[Shift, int]:
    """A house where a module is installed, and more is written at some moments on the way; and
    how many moments that had."""
    moments = Moments()
    shift = Shift(House(log=FakeLog(moments)))
    shift.worker.poke("start")
    shift.work()
    house, moments.number = shift.house, 0

    def follow(number: int) -> None:
        for rows in script.get(number, ()):
            house.write(*rows)

    moments.pass_by = follow
    house.engine.spy = lambda _name, _args: moments.one()
    house.write(MAIL, CRM, BILLING)
    shift.pass_time(120)
    return shift, moments.number


def test_poke_at_any_moment() -> None:
    """D1, D2: a write at any moment of a rebuild, that of its completion included, is acted upon,
    by one more at the most."""
    _, moments = rebuilt({})
    assert moments > 20
    for number in range(1, moments + 1):
        shift, _ = rebuilt({number: [(MAIL, CRM)]})
        shift.house.check_in_step()
        assert shift.house.ends in (
            [("rebuild", "succeeded")],
            [("rebuild", "superseded"), ("rebuild", "succeeded")],
            [("rebuild", "succeeded")] * 2,
        ), number


def test_there_and_back_at_any_moment() -> None:
    """D7: what is written and taken back at any moment of a rebuild causes none more, unless
    somebody has taken it up in between."""
    _, moments = rebuilt({})
    there_and_back = [(MAIL, CRM), (MAIL, CRM, BILLING)]
    for number in range(1, moments + 1):
        shift, _ = rebuilt({number: there_and_back})
        shift.house.check_in_step()
        assert shift.house.ends == [("rebuild", "succeeded")], number


wakes: st.SearchStrategy[Wake] = st.sampled_from(("poll", "watch", "reconnect", "request"))
modules = st.lists(
    st.builds(Row, st.sampled_from(["a", "b", "c"]), st.none(), st.booleans()),
    unique_by=lambda row: row.id,
    max_size=3,
).map(tuple)
events = st.lists(st.tuples(st.floats(0, 4), modules | wakes), min_size=1, max_size=12)


@given(events)
def test_converges(script: list[tuple[float, tuple[Row, ...] | Wake]]) -> None:
    """After the last write and the quiet period the backend is as the table says, with never
    more than one deployment a burst of writes."""
    shift = Shift(House(replace(TARGET, canary=False), Timing(quiet_s=2.0)))
    shift.worker.poke("start")
    for seconds, event in script:
        shift.pass_time(seconds)
        if isinstance(event, str):
            shift.worker.poke(event)
        else:
            shift.house.write(*event)
    shift.pass_time(30)

    shift.house.check_in_step()
    writes = sum(not isinstance(event, str) for _, event in script)
    assert len(shift.house.deployments) <= 2 * writes
