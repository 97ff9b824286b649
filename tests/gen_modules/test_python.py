"""What gen-modules writes for Python: run, and laid out as `ruff format` would."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refitd.gen_modules import WORD, Module, Refusal, parse_modules, python_name, python_registry

#: Ids that are no Python names, or that are names which the registry itself uses.
AWKWARD = "class,2fa,acme.e-mail,REGISTERED,VERSIONS,ModuleType,dict,modules,None,Audit,audit,9."
MANY = ",".join(f"module-{number}@1.{number}" for number in range(50))
LISTS = pytest.mark.parametrize(
    "text", ["", "audit", MANY, AWKWARD], ids=["0", "1", "50", "awkward"]
)

MAIN = """\
import json
from registered_modules import REGISTERED, VERSIONS

print(json.dumps([[id_, package.ID, VERSIONS.get(id_, "")] for id_, package in REGISTERED.items()]))
"""


def backend(folder: Path, modules: list[Module]) -> Path:
    """Make a Python backend that contains these modules."""
    (folder / "main.py").write_text(MAIN)
    (folder / "registered_modules.py").write_text(python_registry(modules, "modules"))
    (folder / "modules").mkdir()
    for module in modules:
        (folder / "modules" / f"{python_name(module.id)}.py").write_text(f"ID = {module.id!r}\n")
    return folder


@LISTS
def test_it_runs_and_has_each_module(tmp_path: Path, text: str) -> None:
    """Run by Python, the registry maps each id to that module's package, in order."""
    modules = parse_modules(text)
    command = [sys.executable, "main.py"]
    said = subprocess.check_output(command, cwd=backend(tmp_path, modules), text=True)
    assert json.loads(said) == [[module.id, module.id, module.version] for module in modules]


@LISTS
@pytest.mark.parametrize("package", ["modules", "panel.modules"])
def test_ruff_format_has_nothing_to_do(tmp_path: Path, text: str, package: str) -> None:
    """The text is what `ruff format` makes of it, with the settings it has by itself."""
    source = python_registry(parse_modules(text), package)
    assert source == formatted(source, tmp_path)


def test_ruff_format_leaves_the_longest_ids_alone(tmp_path: Path) -> None:
    """Ids and versions of 128 characters change nothing about the layout."""
    source = python_registry([Module("a" * 128, "1" * 128), Module("b", "")], "modules")
    assert source == formatted(source, tmp_path)


def formatted(source: str, folder: Path) -> str:
    """Give the source as ruff lays it out where nobody has configured it."""
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "-"]
    return subprocess.check_output(command, input=source, cwd=folder, text=True)


@pytest.mark.parametrize(
    "id_, name",
    [("audit", "audit"), ("acme.e-mail", "acme_e_mail"), ("2fa", "_2fa"), ("class", "class_")],
)
def test_ids_have_names(id_: str, name: str) -> None:
    """Dots and dashes become underscores, leading digits and keywords get one."""
    assert python_name(id_) == name


@given(st.from_regex(WORD, fullmatch=True))
def test_every_id_has_a_name_that_python_can_import(id_: str) -> None:
    """Whatever the id, `import modules.<name>` is a statement."""
    compile(f"import modules.{python_name(id_)}", "<test>", "exec")


@pytest.mark.parametrize("ids", ["a-b,a.b", "class,class_", "a_,a."])
def test_two_ids_of_one_name_are_refused(ids: str) -> None:
    """A registry that lacks one of two modules would be a lie; both are named."""
    first, second = sorted(ids.split(","))
    with pytest.raises(Refusal, match=f"'{first}' and '{second}' would both be named"):
        python_registry(parse_modules(ids), "modules")


@pytest.mark.parametrize("package", ["", "a b", "a.", ".a", "class", "a;import os", "a-b", "a\n"])
def test_a_package_that_is_none_is_refused(package: str) -> None:
    """Nothing but a dotted name gets into the source."""
    with pytest.raises(Refusal, match="not a Python package"):
        python_registry([], package)
