"""What the tests of gen-modules share."""

from __future__ import annotations

import pytest

from tests.gen_modules.toolchain import Go, find_go


@pytest.fixture(scope="session")
def go(tmp_path_factory: pytest.TempPathFactory) -> Go:
    """Give the Go toolchain; a missing one fails the test."""
    return find_go(tmp_path_factory.mktemp("go"))
