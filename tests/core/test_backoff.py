"""Delays grow, are bounded, and never overflow."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from refitd.core.backoff import full_jitter_s, retry_delay_s

attempts = st.integers(1, 100_000)


def test_doubling() -> None:
    """Each failure doubles the wait, up to the longest."""
    assert [retry_delay_s(n, 10.0, 600.0) for n in range(1, 9)] == [
        10, 20, 40, 80, 160, 320, 600, 600,
    ]  # fmt: skip


@given(attempts)
def test_bounded(count: int) -> None:
    """However often it failed, the wait stays within its bounds and does not shrink."""
    assert 10 <= retry_delay_s(count, 10, 600) <= 600
    assert retry_delay_s(count, 10, 600) <= retry_delay_s(count + 1, 10, 600)


@given(st.integers(0, 1000), st.floats(0, 1, exclude_max=True))
def test_full_jitter(count: int, dice: float) -> None:
    """A reconnect waits anywhere between nothing and the cap, the first one as well."""
    assert 0 <= full_jitter_s(count, 0.1, 1.0, dice) <= 1.0
    assert full_jitter_s(0, 0.1, 1.0, dice) <= 0.1
