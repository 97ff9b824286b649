"""What the README says one can type, can be typed."""

from __future__ import annotations

import re
import shlex

import pytest
import typer.main

from refitd import gen_modules
from refitd.cli import cli
from tests.docs.markdown import ROOT, blocks, read, rows, section, ticked

README = read("README.md")
GROUP = typer.main.get_command(cli)
COMMANDS: dict[str, set[str]] = {
    name: {option for param in command.params for option in param.opts if option.startswith("--")}
    for name, command in GROUP.commands.items()  # type: ignore[attr-defined]  # a group
}
#: `gen-modules` has a parser of its own, and none of the options that the others share.
COMMANDS["gen-modules"] = {
    option
    for action in gen_modules.argument_parser()._actions
    for option in action.option_strings
    if option.startswith("--")
} - {"--help"}

TABLE = rows(section(README, "The command line"), "command")


def _named(cell: str) -> str:
    return ticked(cell)[0].split()[1]


def test_the_table_has_every_command() -> None:
    """No command is missing from the README, and none is made up."""
    assert {_named(row[0]) for row in TABLE} == set(COMMANDS)


@pytest.mark.parametrize("row", TABLE, ids=[_named(row[0]) for row in TABLE])
def test_the_table_has_every_option(row: list[str]) -> None:
    """Each command's row names the options that it has, but for the one that all share."""
    name = _named(row[0])
    if name == "gen-modules":
        assert "--check" in row[2]
        return
    assert set(ticked(row[0])[1:]) == COMMANDS[name] - {"--config"}
    assert "--config" in COMMANDS[name]


@pytest.mark.parametrize("row", TABLE, ids=[_named(row[0]) for row in TABLE])
def test_the_table_says_how_each_command_ends(row: list[str]) -> None:
    """Each command's row says with which exit codes it ends."""
    assert row[2].startswith("0") or row[2] == "same"


def _typed() -> list[str]:
    """Every `refitd ...` of the README, in code blocks and in running text."""
    shell = "\n".join(blocks(README, "sh")).replace("\\\n", " ")
    lines = [re.sub(r"#.*", "", line).strip() for line in shell.splitlines()]
    calls = [
        line[line.index("refitd ") :] for line in lines if re.match(r"(\w+=\S+ )?refitd ", line)
    ]
    calls += [words for words in ticked(README) if words.startswith("refitd ")]
    return sorted(set(calls))


@pytest.mark.parametrize("call", _typed())
def test_a_command_that_is_named_exists(call: str) -> None:
    """What is to be typed is a command, with options that it has."""
    _, name, *words = shlex.split(call)
    assert name in COMMANDS
    given = {word for word in words if word.startswith("--")}
    assert given <= COMMANDS[name]


def test_every_make_target_that_is_named_exists() -> None:
    """`make demo` and the like are targets of the Makefile; so is the one of the first section."""
    there = set(re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE))
    text = README + read("ARCHITECTURE.md")
    named = {words.split()[1] for words in ticked(text) if re.match(r"make \w", words)}
    named |= set(re.findall(r"^    make (\w+)$", text, re.MULTILINE))
    assert "demo" in named
    assert named <= there


def test_options_of_gen_modules_are_there() -> None:
    """The README's Dockerfiles call `gen_modules.py` as it wants to be called."""
    for block in blocks(README, "dockerfile"):
        for call in re.findall(r"gen_modules\.py (--[^&\n]*)", block):
            arguments = gen_modules.argument_parser().parse_args(shlex.split(call))
            assert gen_modules.registry(arguments, {"MODULES": "audit,billing@2.0"})


def test_the_files_that_are_installed_are_in_the_package() -> None:
    """The unit is where the install lines fetch it from, by the name the package gives it."""
    packaged = re.findall(r'"(systemd/[\w.]+)" = "(share/[\w./]+)"', read("pyproject.toml"))
    assert packaged
    for source, where in packaged:
        assert (ROOT / source).is_file()
        assert f"/opt/refitd/{where}" in README
