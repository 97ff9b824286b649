"""Any number of mishaps in one replacement, at any calls to the engine, in any order.

The daemon is the real one, from the look at the table down to each call; the engine is the model
that the contract suite holds to the real engine. What may happen to a call, before or after the
engine has done it: no answer comes; it is refused; the daemon is killed, and started again; the
engine is killed, and started again, with or without a call in between that finds it away; so is the
whole machine. The database may go away, and come back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from refitd.errors import Conflict, EngineUnavailable, RefitdError
from refitd.shell.rescue import rescue
from tests.contracts.model_engine import Behaviour, Build
from tests.shell.fakes import Killed, Moment
from tests.shell.house import NAME, House
from tests.shell.test_crash import (
    bare_hand_over,
    bare_swap,
    check_as_before,
    overlap,
    restart,
    swap,
)

What = Literal["silence", "refusal", "daemon", "engine", "blink", "machine", "database"]
BAD_S, CALM_S = 200.0, 200.0
#: Who dies of it is the daemon.
FATAL = ("daemon", "machine")


@dataclass(frozen=True)
class Mishap:
    """After so many other calls that went well."""

    skip: int
    when: Moment
    what: What


mishaps = st.lists(
    st.builds(
        Mishap,
        st.integers(0, 8),
        st.sampled_from(("before", "after")),
        st.sampled_from(("silence", "refusal", "daemon", "engine", "blink", "machine", "database")),
    ),
    max_size=8,
)
wrongs = st.sampled_from([Behaviour("unhealthy", 1.0), Behaviour("exits", 1.0), Behaviour("loops")])


class Week:
    """A house to which mishaps come; at each moment somebody serves, or one start would do."""

    def __init__(self, house: House, script: Sequence[Mishap]) -> None:
        self.house, self._script, self._passed = house, list(script), 0
        house.engine.fate = self._befall

    def live(self) -> None:
        """With the mishaps, as far as there are calls for them to befall; then without any."""
        self._live(BAD_S)
        self._script.clear()
        self._live(CALM_S)

    def _live(self, for_s: float) -> None:
        clock = self.house.clock
        over_s = clock.now_s() + for_s
        while clock.now_s() < over_s:
            try:
                if self.house.engine.dead:
                    self._start_again()
                self.house.settle()
            except Killed:
                continue
            except RefitdError:
                pass  # the worker says so, and looks again later
            clock.sleep(10.0)

    def _start_again(self) -> None:
        """A starting daemon without a database sees to it that somebody serves, and waits."""
        house = self.house
        house.engine.revive()
        while house.database.down:
            rescue(house.engine, house.target, "one", house.log)
            house.clock.sleep(5.0)
        house.new_daemon()

    def _befall(self, when: Moment) -> None:
        if when == "after":
            self._check()
        if not self._script or self._script[0].when != when:
            return
        self._passed += 1
        if self._passed <= self._script[0].skip:
            return
        self._passed = 0
        what = self._script.pop(0).what
        try:
            self._happen("silence" if what in FATAL and self._is_down() else what, when)
        finally:
            self._check()

    def _happen(self, what: What, when: Moment) -> None:
        engine = self.house.engine
        if what == "silence" or (what == "refusal" and when == "after"):
            raise EngineUnavailable("no answer came")
        if what == "refusal":
            raise Conflict("the engine would not")
        if what == "engine":
            engine.die()
            raise EngineUnavailable("it was killed, and is back")
        if what == "blink":
            engine.die()
            return
        if what == "database":
            self._lose_the_database()
            return
        if what == "machine":
            engine.reboot()
        engine.kill()

    def _lose_the_database(self) -> None:
        house = self.house
        back_s = house.clock.now_s() + 20.0
        house.database.down = True

        def come_back() -> None:
            if house.clock.now_s() >= back_s:
                house.database.down = False

        house.clock.hooks.insert(0, come_back)

    def _is_down(self) -> bool:
        """Nothing serves, and nothing is under way. So it is where the engine has died, which
        leaves down who has `unless-stopped`, and the daemon has not looked since. If it died too,
        nobody could tell that from a stop by hand."""
        under_way = any(each.goal and not each.finished_at for each in self.house.deployments)
        return not under_way and not any(each.runs for each in self.house.engine.unobserved())

    def _check(self) -> None:
        everyone = self.house.engine.unobserved()
        ours = [each for each in everyone if "canary" not in each.name]
        assert any(each.runs or each.state == "exited" for each in ours)


@pytest.mark.parametrize("policy", ["always", "unless-stopped"])
@pytest.mark.parametrize("scene", [swap, bare_swap, overlap, restart, bare_hand_over])
@settings(max_examples=40)
@given(script=mishaps)
@example(script=[Mishap(0, "before", "engine"), *[Mishap(1, "before", "engine")] * 3])
@example(
    script=[
        Mishap(1, "after", "silence"),
        Mishap(6, "after", "engine"),
        Mishap(6, "after", "engine"),
        Mishap(0, "before", "silence"),
        Mishap(3, "before", "engine"),
    ]
)
@example(script=[Mishap(5, "after", "engine"), Mishap(0, "before", "refusal")])
@example(script=[Mishap(5, "after", "engine"), *[Mishap(0, "before", "silence")] * 3])
@example(script=[Mishap(0, "before", "engine"), Mishap(0, "before", "refusal")])
def test_forward(scene: Callable[[str], House], policy: str, script: Sequence[Mishap]) -> None:
    """It ends in what the table says, served by one, with nothing left over."""
    week = Week(scene(policy), script)
    week.live()
    week.house.database.ask(NAME, "retry")  # what was refused is set aside until somebody asks
    week.live()

    week.house.check_in_step()


@pytest.mark.parametrize("scene", [swap, bare_swap, overlap, bare_hand_over])
@settings(max_examples=40)
@given(script=mishaps, wrong=wrongs)
def test_back(scene: Callable[[], House], script: Sequence[Mishap], wrong: Behaviour) -> None:
    """Where the new image is no good, it ends in what was before, as it was, alone."""
    house = scene()
    house.engine.script_builds(*[Build(behaviour=wrong)] * 100)
    week = Week(house, script)
    week.live()

    check_as_before(house)
