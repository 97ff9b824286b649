"""ARCHITECTURE.md speaks of files and names that are there, and leaves no file out."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

from tests.docs.markdown import ROOT, read, section, ticked

PAGE = read("ARCHITECTURE.md")
PACKAGE = ROOT / "daemon" / "refitd"
PATH = re.compile(r"(?:[\w.]+/)*[\w.]+\.(?:py|sql)(?::\w+)?|(?:[\w.]+/)+|tests/\w+")

MENTIONED = sorted({words for words in ticked(PAGE) if PATH.fullmatch(words)})


def _file(path: str) -> Path:
    return (ROOT if path.startswith(("bench/", "sql/", "tests/")) else PACKAGE) / path


@pytest.mark.parametrize("mention", MENTIONED)
def test_what_is_mentioned_is_there(mention: str) -> None:
    """Each path is a file or folder, and each name after a colon is defined in it."""
    path, _, name = mention.partition(":")
    if path == "daemon/refitd/":
        return
    assert _file(path).exists()
    if name:
        tree = ast.parse(_file(path).read_text("utf-8"))
        kinds = (ast.FunctionDef, ast.ClassDef)
        assert name in {node.name for node in ast.walk(tree) if isinstance(node, kinds)}


def test_no_file_is_left_out() -> None:
    """The list of rooms names each file of the package and of `sql/`."""
    rooms = set(ticked(section(PAGE, "The rooms")))
    files = {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py")}
    files = {name for name in files if not name.endswith("__init__.py")}
    files |= {path.relative_to(ROOT).as_posix() for path in ROOT.glob("sql/*.sql")}
    assert files - rooms == set()


def test_the_layers_are_those_of_the_contract() -> None:
    """The order of imports on the page is the one that import-linter is told."""
    contracts = tomllib.loads(read("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    (layers,) = [each["layers"] for each in contracts if each["type"] == "layers"]
    drawing, *_ = section(PAGE, "The rooms").split("\n- ")
    drawn = re.findall(r"^    (.+)$", drawing, re.MULTILINE)
    assert drawn == layers


def test_tables_that_are_named_are_made() -> None:
    """Each `refitd.something` on the page is a table, view or function of the SQL files."""
    sql = "\n".join(path.read_text("utf-8") for path in sorted(ROOT.glob("sql/*.sql")))
    named = {words for words in ticked(PAGE + read("README.md")) if words[:7] == "refitd."}
    for name in {re.match(r"refitd\.\w+", words)[0] for words in named}:  # type: ignore[index]
        if name != "refitd.toml":
            assert re.search(rf"\b{re.escape(name)}\b", sql), name
