"""Growing delays, with the dice as an argument."""

from __future__ import annotations


def retry_delay_s(attempts: int, first_s: float, longest_s: float) -> float:
    """The wait before the next try of something that failed `attempts` times: doubling, capped.

    >>> [retry_delay_s(n, 10.0, 600.0) for n in (1, 2, 3, 20)]
    [10.0, 20.0, 40.0, 600.0]
    """
    return float(min(longest_s, first_s * 2 ** min(attempts - 1, 32)))


def full_jitter_s(attempts: int, first_s: float, longest_s: float, dice: float) -> float:
    """A reconnect delay anywhere between nothing and the growing cap; `dice` is in [0, 1)."""
    return dice * retry_delay_s(max(attempts, 1), first_s, longest_s)
