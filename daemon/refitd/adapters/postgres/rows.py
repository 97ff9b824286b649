"""Between rows and the values of the core: tuples are arrays, mappings are jsonb.

Column names are field names, so a row becomes a value by its names, and a value becomes the
parameters of a statement the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

from psycopg import Cursor
from psycopg.types.json import Jsonb

from refitd.core.redact import redact

if TYPE_CHECKING:  # known to type checkers only
    from _typeshed import DataclassInstance

Value = TypeVar("Value", bound="DataclassInstance")


def row_of(kind: type[Value]) -> Callable[[Cursor[Any]], Callable[[Sequence[Any]], Value]]:
    """A psycopg row factory: each row is a `kind`, by column name; other columns are left out."""
    known = {field.name for field in fields(kind)}

    def factory(cursor: Cursor[Any]) -> Callable[[Sequence[Any]], Value]:
        names = [column.name for column in cursor.description or ()]

        def make(values: Sequence[Any]) -> Value:
            row = zip(names, values, strict=True)
            return kind(**{name: _from_postgres(value) for name, value in row if name in known})

        return make

    return factory


def params_of(value: DataclassInstance, **more: Any) -> dict[str, Any]:
    """The named parameters that a dataclass stands for, and `more`."""
    own = {field.name: getattr(value, field.name) for field in fields(value)}
    return {name: _to_postgres(each) for name, each in (own | more).items()}


def clean(text: str) -> str:
    """Text as Postgres can keep it (no zero bytes, nothing that is not Unicode), and as it may be
    kept: no password of a URL or DSN that an error or a build has blurted out."""
    return redact(text.replace("\0", "").encode("utf-8", "replace").decode("utf-8"))


def _cleaned(value: Any) -> Any:
    match value:
        case dict():
            return {key: _cleaned(each) for key, each in value.items()}
        case list() | tuple():
            return [_cleaned(each) for each in value]
        case str():
            return clean(value)
        case _:
            return value


def _from_postgres(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _to_postgres(value: Any) -> Any:
    match value:
        case tuple():
            return [_to_postgres(each) for each in value]
        case dict():
            return Jsonb(_cleaned(value))
        case str():
            return clean(value)
        case _:
            return value
