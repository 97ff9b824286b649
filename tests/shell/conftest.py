"""What the tests of the shell begin with."""

from __future__ import annotations

import pytest

from tests.shell.house import House
from tests.shell.shift import Shift


@pytest.fixture
def house() -> House:
    """One that is in step."""
    house = House()
    house.settle()
    return house


@pytest.fixture
def shift() -> Shift:
    """One that has made its first contact."""
    shift = Shift()
    shift.worker.poke("start")
    shift.work()
    return shift
