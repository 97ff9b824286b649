"""What a pursuit writes down of steps that are in vain."""

from __future__ import annotations

from dataclasses import replace

import pytest

from refitd.core.deployment import Deployment, StepRecord
from refitd.shell.diary import Diary
from refitd.shell.reading import Reading
from tests.contracts.journal import new
from tests.shell.house import NAME, House

REFUSED = StepRecord("start_old", 0.1, "start the old one", "the port\nis taken")
STARTED = replace(REFUSED, error=None)


class Pages:
    """A diary of a deployment in a house's journal, and what is in it."""

    def __init__(self) -> None:
        self.house = House()
        self._opened = self.house.journal.open(new(target=NAME, epoch=self.house.tenure.epoch))
        journal, log = self.house.journal, self.house.log.bind()
        self.diary = Diary(journal, self._opened, Reading(journal, NAME), log)

    @property
    def row(self) -> Deployment:
        return self.house.database.deployments[self._opened.id]

    def take(self, step: StepRecord) -> None:
        self.diary.begin_step(step.step, step.detail)
        self.diary.end_step(step)

    def failures(self) -> list[str]:
        """What was written down as failed, in the log; in the steps the same, or this fails."""
        steps = self.house.journal.steps(self._opened.id)
        logged = [facts["detail"] for facts in self.house.log.facts("step.failed")]
        assert logged == [step.detail for step in steps if step.error]
        return logged


@pytest.fixture
def pages() -> Pages:
    """Empty ones."""
    return Pages()


def test_in_vain_again_and_again(pages: Pages) -> None:
    """It is written down once, and the row says why, in a line, also while it is tried again."""
    for _ in range(5):
        pages.take(REFUSED)
        assert pages.row.step == "start_old: the port is taken"
        pages.diary.begin_step(REFUSED.step, REFUSED.detail)
        assert pages.row.step == "start_old: the port is taken"
    assert pages.failures() == ["start the old one"]


def test_another_of_the_same_kind(pages: Pages) -> None:
    """Two companions that the same is refused for are two troubles."""
    for _ in range(2):
        pages.take(replace(REFUSED, step="remove_companion", detail="remove the new proxy"))
    for _ in range(2):
        pages.take(replace(REFUSED, step="remove_companion", detail="remove the new backup"))
    assert pages.failures() == ["remove the new proxy", "remove the new backup"]


def test_another_reason(pages: Pages) -> None:
    """What is refused for another reason is told anew."""
    pages.take(REFUSED)
    pages.take(replace(REFUSED, error="no space left on device"))
    assert len(pages.failures()) == 2
    assert pages.row.step == "start_old: no space left on device"


def test_through_in_the_end(pages: Pages) -> None:
    """Then the row no longer says so; and refused once more, it is told once more."""
    pages.take(REFUSED)
    pages.take(STARTED)
    assert pages.row.step == "start_old"
    pages.take(REFUSED)
    assert len(pages.failures()) == 2


def test_a_wait_in_between(pages: Pages) -> None:
    """While it waits for something else the row says that, and after it what is refused."""
    pages.take(REFUSED)
    pages.diary.wait_for("its health check has not passed yet")
    assert (pages.row.state, pages.row.step) == ("proving", "its health check has not passed yet")
    pages.take(REFUSED)
    assert (pages.row.state, pages.row.step) == ("replacing", "start_old: the port is taken")
    assert len(pages.failures()) == 2


def test_done_without(pages: Pages) -> None:
    """A row that has ended does not go on telling of what was refused on the way."""
    pages.take(REFUSED)
    pages.diary.leave_trouble()
    assert pages.row.step == "start_old"
