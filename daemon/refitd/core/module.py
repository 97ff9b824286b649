"""What the table says: the wanted modules, and those that cannot be taken at their word.

Only `has_backend` rows get here (the view `refitd.module` holds no others). A module's id
and version become part of the build argument `MODULES`, where comma and `@` have a meaning,
and from there of source code and shell lines which are not ours. So both must be wholly
`[A-Za-z0-9][A-Za-z0-9._-]{0,127}`; a row that is not is refused by name, and the others go
ahead without it.

A slip in a version is no wish to be rid of the module: what is built in already stays as it is
until the row says which other version it is to be.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

#: The whole of a module id or version. `\Z`, as `$` would let a line feed at the end pass.
WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the view `refitd.module`, as it stands there."""

    id: str | None
    version: str | None
    enabled: bool


@dataclass(frozen=True, slots=True, order=True)
class Module:
    """A module that can be built in: `id`, or `id@version` where a version is mapped."""

    id: str
    version: str | None = None
    enabled: bool = True

    @property
    def spec(self) -> str:
        return self.id if self.version is None else f"{self.id}@{self.version}"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that was not taken at its word, and why, in a sentence that names it."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Desired:
    """What the backend should be: its modules sorted by id, and the rows that were refused."""

    modules: tuple[Module, ...] = ()
    refused: tuple[Refusal, ...] = ()

    @property
    def specs(self) -> tuple[str, ...]:
        return tuple(module.spec for module in self.modules)

    @property
    def enabled(self) -> tuple[str, ...]:
        return tuple(module.id for module in self.modules if module.enabled)

    @property
    def build_argument(self) -> str:
        """The value of the build argument `MODULES`."""
        return ",".join(self.specs)


def desired_from(rows: Iterable[Row], built_in: Iterable[str] = ()) -> Desired:
    """Sort, check and de-duplicate the table's rows. The order of `rows` does not matter.

    `built_in` are the specs of what runs: where only a row's version is refused, its module stays
    as it is there.
    """
    runs = {module.id: module for module in map(_module, built_in)}
    taken: dict[str, Module] = {}
    refused: list[Refusal] = []
    for row in sorted(rows, key=lambda row: (_misversioned(row), *_order(row))):
        reason = _objection(row, taken)
        if reason and _misversioned(row) and row.id in runs and row.id not in taken:
            taken[row.id] = replace(runs[row.id], enabled=row.enabled)
            reason += f"; {taken[row.id].spec} stays built in until it is corrected"
        if reason:
            refused.append(Refusal(repr(row.id)[1:-1] if row.id else "", reason))
        else:
            assert row.id is not None
            taken[row.id] = Module(row.id, row.version, row.enabled)
    return Desired(tuple(taken[id_] for id_ in sorted(taken)), tuple(refused))


def _module(spec: str) -> Module:
    id_, _, version = spec.partition("@")
    return Module(id_, version or None)


def _misversioned(row: Row) -> bool:
    """Nothing but its version is wrong."""
    named = row.id is not None and WORD.match(row.id) is not None
    return named and row.version is not None and not WORD.match(row.version)


def _order(row: Row) -> tuple[object, ...]:
    """Total: NULL and the empty string are two values, and so differ in what is said of them."""
    return (row.id is None, row.id or "", row.version is None, row.version or "", row.enabled)


def _objection(row: Row, taken: dict[str, Module]) -> str | None:
    rule = "it must be wholly [A-Za-z0-9][A-Za-z0-9._-]{0,127}"
    if row.id is None or not WORD.match(row.id):
        return f"module id {row.id!r} is refused: {rule}"
    if _misversioned(row):
        return f"version {row.version!r} of module {row.id!r} is refused: {rule}"
    if row.id in taken:
        return f"module id {row.id!r} stands in the table more than once"
    return None
