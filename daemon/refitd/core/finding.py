"""What `refitd doctor` finds: one thing looked at, and how to mend it where it is not well."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """`remedy` is something to do or to type, and empty where all is well."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""
