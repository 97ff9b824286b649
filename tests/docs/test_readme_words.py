"""Names in the README that are somebody else's: files, messages, metrics, events."""

from __future__ import annotations

import re

import pytest

from refitd.adapters.metrics import PrometheusMetrics
from tests.docs.markdown import ROOT, anchor, headings, links, read, rows, section, ticked

README = read("README.md")
PAGES = ("README.md", "ARCHITECTURE.md", "CHANGELOG.md")
SOURCES = "\n".join(
    path.read_text("utf-8")
    for folder, kind in (("daemon/refitd", "*.py"), ("sql", "*.sql"))
    for path in sorted(ROOT.joinpath(folder).rglob(kind))
)


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    """Files that are linked to are there, and so are headings."""
    text = read(page)
    for link in links(text):
        where, _, name = link.partition("#")
        if where.startswith("https://"):
            continue
        assert (ROOT / where).exists(), link
        if name:
            there = read(where) if where else text
            assert name in map(anchor, headings(there)), link


@pytest.mark.parametrize("symptom", [row[0] for row in rows(README, "it says")])
def test_what_refitd_is_said_to_say_it_says(symptom: str) -> None:
    """Each symptom is quoted from a message that the code really has."""
    for words in ticked(symptom):
        assert words in SOURCES or words == "refitd"


def test_the_metrics_are_those() -> None:
    """The list of metrics is whole; a counter bears `_total`, as it does when scraped."""
    there = {
        metric.name + ("_total" if metric.type == "counter" else "")
        for metric in PrometheusMetrics().registry.collect()
    }
    there = {re.sub(r"_info$", "", name) + ("_info" if "build" in name else "") for name in there}
    named = {words for words in ticked(section(README, "Watching it")) if words[:7] == "refitd_"}
    assert named == there


def test_the_events_are_those() -> None:
    """Log events that are named are logged."""
    named = [
        words
        for words in ticked(section(README, "Watching it"))
        if re.fullmatch(r"[a-z]+\.[a-z_]+", words)
    ]
    assert named
    for event in named:
        assert f'"{event}"' in SOURCES
