"""What gen-modules writes for Go: compiled, run, and laid out as gofmt would."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refitd.gen_modules import WORD, Module, Refusal, go_registry, parse_modules
from tests.gen_modules.toolchain import Go

PREFIX = "example.org/panel/modules"
#: Ids that are no Go identifiers, or that clash with the language or with the backend's main.
AWKWARD = "func,2fa,acme.e-mail,main,init,string,registerModules,Audit,x.go"
MANY = ",".join(f"module-{number}@1.{number}" for number in range(50))

MAIN = """\
package main

import "fmt"

func main() {
	registerModules()
	for _, module := range registeredModules {
		fmt.Println("built in", module.ID, module.Version)
	}
}
"""
MODULE = """\
package module

import "fmt"

func RegisterModules() { fmt.Println("registered", "%s") }
"""


def backend(folder: Path, modules: list[Module]) -> Path:
    """Make a Go backend that contains these modules."""
    (folder / "go.mod").write_text("module example.org/panel\n\ngo 1.19\n")
    (folder / "main.go").write_text(MAIN)
    (folder / "registered_modules.go").write_text(go_registry(modules, PREFIX))
    for module in modules:
        package = folder / "modules" / module.id
        package.mkdir(parents=True)
        (package / "module.go").write_text(MODULE % module.id)
    return folder


@pytest.mark.parametrize("text", ["", "audit", MANY, AWKWARD], ids=["0", "1", "50", "awkward"])
def test_it_compiles_and_registers_each(go: Go, tmp_path: Path, text: str) -> None:
    """Built with the go command, the backend calls each module's RegisterModules, in order."""
    modules = parse_modules(text)
    said = go.run(backend(tmp_path, modules), "run", ".").splitlines()
    assert said == [
        *(f"registered {module.id}" for module in modules),
        *(f"built in {module.id} {module.version}" for module in modules),
    ]


@pytest.mark.parametrize("text", ["", "audit", MANY, AWKWARD], ids=["0", "1", "50", "awkward"])
def test_gofmt_has_nothing_to_do(go: Go, text: str) -> None:
    """The text is what gofmt makes of it."""
    source = go_registry(parse_modules(text), PREFIX)
    assert source == go.format(source)


def test_gofmt_leaves_the_longest_ids_alone(go: Go) -> None:
    """Ids and versions of 128 characters change nothing about the layout."""
    source = go_registry([Module("a" * 128, "1" * 128), Module("b", "")], PREFIX)
    assert source == go.format(source)


@pytest.mark.parametrize("id_", ["internal", "vendor", "audit."])
def test_what_go_cannot_import_is_refused(id_: str) -> None:
    """The go command gives these a meaning of their own; the refusal names them."""
    with pytest.raises(Refusal, match=f"cannot import .*'{id_}'"):
        go_registry([Module("audit", ""), Module(id_, "")], PREFIX)


def test_ids_that_differ_in_capitals_only_are_refused() -> None:
    """To the go command they are one import path written in two ways, and an error."""
    with pytest.raises(Refusal, match="'Audit' and 'audit'"):
        go_registry(parse_modules("audit,Audit"), PREFIX)


@pytest.mark.parametrize("prefix", ["", "/modules", "modules/", 'x"; import "os', "a b", "a//b"])
def test_an_import_prefix_that_is_none_is_refused(prefix: str) -> None:
    """Nothing but an import path gets into the source."""
    with pytest.raises(Refusal, match="import path"):
        go_registry([], prefix)


@given(st.lists(st.from_regex(WORD, fullmatch=True), unique=True, max_size=8))
def test_no_two_modules_share_an_alias(ids: list[str]) -> None:
    """Either every id has an alias of its own, or the list is refused."""
    modules = parse_modules(",".join(ids))
    try:
        source = go_registry(modules, PREFIX)
    except Refusal:
        return
    calls = [line for line in source.splitlines() if line.endswith(".RegisterModules()")]
    assert len(set(calls)) == len(ids)
