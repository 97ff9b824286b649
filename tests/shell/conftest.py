"""What the tests of the shell begin with."""

from __future__ import annotations

import pytest

from tests.shell.house import House


@pytest.fixture
def house() -> House:
    """One that is in step."""
    house = House()
    house.settle()
    return house
