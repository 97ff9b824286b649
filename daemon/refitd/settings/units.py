"""Durations and ports: the kinds of numbers that settings hold, each with its check."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([^\W\d_]*)\s*\Z")


def seconds(value: object) -> object:
    """A number is seconds; text has a unit. Whatever is neither is left to pydantic to refuse.

    >>> seconds("15m"), seconds("500ms"), seconds("2"), seconds(0.5)
    (900.0, 0.5, 2.0, 0.5)
    """
    if isinstance(value, bool):
        raise ValueError("must be a duration, not true or false")  # noqa: TRY004 - pydantic's word
    if not isinstance(value, str):
        return value
    found = _DURATION.match(value)
    if not found or (found[2] or "s") not in _SECONDS:
        raise ValueError(
            f"{value!r} is no duration: write a number of seconds, or a number with one of the "
            f'units {", ".join(_SECONDS)}, such as "500ms", "2s", "15m", "1h"'
        )
    return float(found[1]) * _SECONDS[found[2] or "s"]


def _days(value: float) -> float:
    if value < _SECONDS["h"]:
        raise ValueError('must be an hour at least: a bare number is seconds, so write "30d"')
    return value / _SECONDS["d"]


Duration = Annotated[float, BeforeValidator(seconds), Field(ge=0, allow_inf_nan=False)]
#: A duration that makes no sense as zero: a period, a deadline.
Period = Annotated[float, BeforeValidator(seconds), Field(gt=0, allow_inf_nan=False)]
#: Days, written as any duration: "30d". A bare 30 would be half a minute: refused.
Days = Annotated[float, BeforeValidator(seconds), Field(allow_inf_nan=False), AfterValidator(_days)]
Port = Annotated[int, Field(ge=1, le=65535)]
