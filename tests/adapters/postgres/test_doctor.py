"""`refitd doctor`, the database's part: each thing wrong is found, named, and has its remedy."""

from __future__ import annotations

from typing import LiteralString

import pytest

from refitd.adapters.postgres import examine
from refitd.core.finding import Finding
from rig.proxy import Proxy
from tests.panel import Panel


def wrong(dsn: str) -> list[Finding]:
    """The findings that are not well; each has something to do."""
    found = [finding for finding in examine(dsn) if not finding.ok]
    assert all(finding.remedy for finding in found)
    return found


def test_well(panel: Panel) -> None:
    """Where all is well every question has been asked, and nothing is to be done."""
    panel.sql("insert into modules values ('a', '', true, true), ('b', '', true, null)")
    found = examine(panel.dsn)
    assert [finding.name for finding in found] == [
        "database",
        "notification queue",
        "schema",
        "rights",
        "table public.modules",
        "notifications",
    ]
    assert all(finding.ok and not finding.remedy for finding in found)
    assert found[4].detail == "target backend: 2 modules with a backend, 1 enabled"


def test_no_server(wired: str, proxy: Proxy) -> None:
    """Without a connection there is one finding."""
    proxy.refuse()
    (finding,) = wrong(wired)
    assert finding.name == "database"
    assert "refused" in finding.detail


def test_no_schema(database: str) -> None:
    """Without the schema: migrate."""
    (finding,) = wrong(database)
    assert finding.name == "schema"
    assert "refitd migrate" in finding.remedy


def test_nothing_watched(bare: Panel) -> None:
    """Without a watched table there is none to look at; which target lacks one is asked besides."""
    assert wrong(bare.dsn) == []
    assert not any(each.name.startswith("table") for each in examine(bare.dsn))


@pytest.mark.parametrize(
    "damage, name, said",
    [
        ("drop function refitd.fence", "schema", "lacks fence"),
        ("drop view refitd.status", "schema", "lacks status"),
        ("drop table modules", "table public.modules", "was dropped"),
        ("alter table modules drop column enabled", "table public.modules", "m.enabled"),
        ("alter table modules disable trigger refitd_update", "table public.modules", "3 of 4"),
        ("alter table modules enable trigger refitd_update", "table public.modules", "3 of 4"),
        ("drop trigger refitd_truncate on modules", "table public.modules", "3 of 4"),
    ],
)
def test_damage(panel: Panel, damage: LiteralString, name: str, said: str) -> None:
    """What was taken away or switched off is named."""
    panel.sql(damage)
    (finding,) = wrong(panel.dsn)
    assert finding.name == name
    assert said in finding.detail


def test_rights(panel: Panel) -> None:
    """A role without the daemon's rights is told which role to be granted."""
    panel.sql("create role stranger_of_test login password 'stranger'")
    try:
        found = wrong(panel.dsn_of(user="stranger_of_test", password="stranger"))
    finally:
        panel.sql("drop role stranger_of_test")
    assert found[0].name == "rights"
    assert found[0].detail == "stranger_of_test lacks usage of schema refitd"
    assert found[0].remedy == 'GRANT refitd_daemon TO "stranger_of_test"'
