"""Durations as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refitd.settings.units import seconds


@pytest.mark.parametrize(
    "written, meant",
    [
        ("500ms", 0.5),
        ("2s", 2.0),
        ("15m", 900.0),
        ("1h", 3600.0),
        ("30d", 2_592_000.0),
        ("1.5h", 5400.0),
        (" 2 s ", 2.0),
        ("7", 7.0),
        (7, 7),
        (0.25, 0.25),
    ],
)
def test_a_duration_is_read(written: object, meant: float) -> None:
    """A number is seconds; text may have one of five units."""
    assert seconds(written) == meant


@pytest.mark.parametrize(
    "written", ["", "s", "2 parsecs", "1h30m", "-1s", "2S", "1e3s", "٣s٣", "2s\n3", True, "ms5"]
)
def test_what_is_no_duration_is_refused(written: object) -> None:
    """Capitals too: `2M` could be minutes or months."""
    with pytest.raises(ValueError, match="duration"):
        seconds(written)


@given(st.text(max_size=12))
def test_text_is_read_or_refused_and_nothing_else(written: str) -> None:
    """No text makes it fall over, or gives anything but a number that is not negative."""
    try:
        meant = seconds(written)
    except ValueError:
        return
    assert isinstance(meant, float)
    assert meant >= 0
