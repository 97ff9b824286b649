"""Subtraction: what remains of a value when what image and engine supply is taken away.

`None`, as the engine answers for what was never set, and a key that is not there are the
same. An empty list is not: `MaskedPaths: []` is an owner who wants nothing masked.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from refitd.core.container import Json


def fields(old: Json, base: Json, leave: Collection[str] = ()) -> dict[str, Any]:
    """Whole fields, known to this code or not, that differ; but for those in `leave`.

    >>> fields({"User": "app", "Tty": False, "New": 1}, {"User": "", "Tty": False})
    {'User': 'app', 'New': 1}
    """
    return {key: value for key, value in old.items() if key not in leave and value != base.get(key)}


def entries(old: Mapping[str, Any] | None, base: Mapping[str, Any] | None) -> dict[str, Any]:
    """Entries whose key is new or whose value differs.

    >>> entries({"a": "1", "b": "2"}, {"a": "1", "b": "0", "c": "3"})
    {'b': '2'}
    """
    return fields(old or {}, base or {})


def keys(old: Mapping[str, Any] | None, base: Mapping[str, Any] | None) -> dict[str, Any]:
    """Entries whose key is new, whatever the values.

    >>> keys({"80/tcp": {}, "81/tcp": {}}, {"80/tcp": {}})
    {'81/tcp': {}}
    """
    return {key: value for key, value in (old or {}).items() if key not in (base or {})}


def items(old: Sequence[Any] | None, base: Sequence[Any] | None) -> list[Any]:
    """Items of a list that the other lacks, in order.

    >>> items(["A=1", "B=2"], ["A=1", "B=1"])
    ['B=2']
    """
    return [item for item in old or () if item not in (base or ())]
