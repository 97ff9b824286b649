"""Write the registry source of a backend: which modules this build of it contains.

refitd builds a backend with the build argument `MODULES` (`audit,billing` or
`audit@1.4,billing@2.0`) and leaves it to the build to turn that into source. This file is
that step. It needs nothing but the standard library and is complete by itself, so that an
image build can COPY it alone and run `python3 gen_modules.py`; and since the Python of an
image may be older than refitd's own, it keeps to what Python 3.9 understands.

The same modules give the same bytes, in whatever order they were named, laid out as the
language's formatter would: a rebuild that changes nothing hits the layer cache, and a
formatter run over the backend finds nothing to do.

Ids are `[A-Za-z0-9][A-Za-z0-9._-]{0,127}`, and no language takes all of these as names:

- Every `.` and `-` becomes `_`: `acme.e-mail` is `acme_e_mail`.
- Python imports `modules.<name>`, so the folder must have that name. A leading digit gets
  `_` before it (`2fa` is `modules._2fa`), a keyword gets `_` after it (`modules.class_`).
- Go imports `<import prefix>/<id>`, the id as it is; only the alias is derived, with `mod_`
  in front, which no digit, keyword or function of the backend can clash with. The go
  command cannot import the ids `internal` and `vendor`, one that ends in a dot, or two that
  differ in capitals only: refused.
- Two ids that come out as one name (`a-b`, `a.b`) are refused, both named.

A template (`--template`) serves any other language. A line in it with `$id`, `$name` (as in
the first rule) or `$version` (empty where there is none) is repeated for each module, every
other line stands once, and `$$` is a dollar sign.
"""

from __future__ import annotations

import argparse
import keyword
import os
import re
import string
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
PYTHON_PACKAGE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
GO_IMPORT_PREFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]*(/[A-Za-z0-9._~-]+)*")

DEFAULT_OUTPUT = {"python": "registered_modules.py", "go": "registered_modules.go"}


class Refusal(Exception):
    """What was asked for cannot be written; the message says why, by name."""


class Module(NamedTuple):
    """A module of the build; the version is empty where the table has none."""

    id: str
    version: str


# ── What was asked for ────────────────────────────────────────────────────────────────


def parse_modules(text: str) -> list[Module]:
    """Read `id` or `id@version`, joined by commas, into modules sorted by id.

    >>> parse_modules("billing@2.0,audit,audit")
    [Module(id='audit', version=''), Module(id='billing', version='2.0')]
    """
    items = text.split(",") if text else []
    refuse_malformed(items)
    found: dict[str, Module] = {}
    for item in items:
        id_, _, version = item.partition("@")
        module = found.setdefault(id_, Module(id_, version))
        if module.version != version:
            versions = " and ".join(sorted({module.version or "none", version or "none"}))
            raise Refusal(f"module {id_!r} is named with two versions: {versions}")
    return [found[id_] for id_ in sorted(found)]


def refuse_malformed(items: Iterable[str]) -> None:
    """Name every bad item at once: whoever mends the table should not need a try for each."""
    if bad := [repr(item) for item in items if not is_well_formed(item)]:
        raise Refusal(
            f"not a module id or id@version: {', '.join(bad)}; each must be {WORD.pattern}"
        )


def is_well_formed(item: str) -> bool:
    """Whole ids and versions only: one that ends in a line feed is none."""
    id_, at, version = item.partition("@")
    return bool(WORD.fullmatch(id_)) and (bool(WORD.fullmatch(version)) if at else True)


# ── Names ─────────────────────────────────────────────────────────────────────────────


def plain_name(id_: str) -> str:
    """Give the id in letters, digits and underscores."""
    return re.sub(r"[.-]", "_", id_)


def python_name(id_: str) -> str:
    """Give the name of the package that is module `id_`.

    >>> python_name("acme.e-mail"), python_name("2fa"), python_name("class")
    ('acme_e_mail', '_2fa', 'class_')
    """
    name = plain_name(id_)
    if name[0].isdigit():
        return f"_{name}"
    return f"{name}_" if keyword.iskeyword(name) else name


def go_alias(id_: str) -> str:
    """Give the name a module's package has within the Go registry.

    >>> go_alias("func"), go_alias("2fa")
    ('mod_func', 'mod_2fa')
    """
    return f"mod_{plain_name(id_)}"


def named(modules: Iterable[Module], name_of: Callable[[str], str]) -> dict[str, Module]:
    """Give each module a name of its own, or refuse the two that would share one."""
    names: dict[str, Module] = {}
    for module in modules:
        name = name_of(module.id)
        if other := names.get(name):
            raise Refusal(f"modules {other.id!r} and {module.id!r} would both be named {name}")
        names[name] = module
    return names


# ── Registries ────────────────────────────────────────────────────────────────────────


def python_registry(modules: Sequence[Module], package: str) -> str:
    """Import each module's package and map ids to packages.

    Nothing is called: which of them are enabled is the backend's to find out as it starts.
    """
    refuse_python_package(package)
    names = named(modules, python_name)
    imports = [f"import {package}.{name}" for name in names]
    packages = [f'    "{module.id}": {package}.{name},' for name, module in names.items()]
    versions = [f'    "{module.id}": "{module.version}",' for module in modules if module.version]
    return lines_of(
        '"""The modules in this build. Written by `refitd gen-modules`: do not edit."""',
        "",
        "from types import ModuleType",
        *(["", *imports] if imports else []),
        "",
        *python_dict("REGISTERED: dict[str, ModuleType]", packages),
        *python_dict("VERSIONS: dict[str, str]", versions),
    )


def refuse_python_package(package: str) -> None:
    """Take only what can stand after `import`."""
    parts = package.split(".")
    if not PYTHON_PACKAGE.fullmatch(package) or any(map(keyword.iskeyword, parts)):
        raise Refusal(f"not a Python package: {package!r}")


def python_dict(target: str, entries: list[str]) -> list[str]:
    """Lay a dict out as the formatter does: open with an entry a line, or shut and empty."""
    return [f"{target} = {{", *entries, "}"] if entries else [f"{target} = {{}}"]


def go_registry(modules: Sequence[Module], import_prefix: str) -> str:
    """Import each module's package and call its `RegisterModules`."""
    refuse_go_imports(modules, import_prefix)
    aliases = named(modules, go_alias)
    imports = [f'\t{alias} "{import_prefix}/{module.id}"' for alias, module in aliases.items()]
    calls = [f"\t{alias}.RegisterModules()" for alias in aliases]
    entries = [f'\t{{"{module.id}", "{module.version}"}},' for module in modules]
    return lines_of(
        "// Code generated by refitd gen-modules. DO NOT EDIT.",
        "",
        "package main",
        "",
        *(["import (", *imports, ")", ""] if imports else []),
        "// registeredModules are the modules in this build.",
        *go_block("var registeredModules = []struct{ ID, Version string }{", entries),
        "",
        "// registerModules lets each of them register itself.",
        *go_block("func registerModules() {", calls),
    )


def refuse_go_imports(modules: Sequence[Module], import_prefix: str) -> None:
    """Name what the go command would not import, in words better than its own."""
    if not GO_IMPORT_PREFIX.fullmatch(import_prefix):
        raise Refusal(f"not a Go import path: {import_prefix!r}")
    unfit = [m.id for m in modules if m.id in {"internal", "vendor"} or m.id.endswith(".")]
    if unfit:
        raise Refusal(f"Go cannot import a package named {', '.join(map(repr, unfit))}")
    named(modules, str.lower)  # nor two whose paths differ in capitals only


def go_block(opening: str, body: list[str]) -> list[str]:
    """Lay a block out as gofmt does."""
    return [opening, *body, "}"] if body else [opening + "}"]


def lines_of(*lines: str) -> str:
    """Join lines, the last one ended too."""
    return "\n".join(lines) + "\n"


# ── Templates ─────────────────────────────────────────────────────────────────────────


def fill_template(template: str, modules: Sequence[Module]) -> str:
    """Repeat each line that speaks of a module for every one of them.

    >>> print(fill_template("use $name;", [Module("e-mail", "")]))
    use e_mail;
    """
    fields = [
        {"id": module.id, "name": name, "version": module.version}
        for name, module in named(modules, plain_name).items()
    ]
    lines = enumerate(template.splitlines(keepends=True), start=1)
    return "".join(fill_line(number, line, fields) for number, line in lines)


def fill_line(number: int, line: str, fields: Sequence[dict[str, str]]) -> str:
    """Fill one line in, once or for each module; refuse a placeholder that means nothing."""
    found = list(string.Template.pattern.finditer(line))
    names = {match["named"] or match["braced"] for match in found} - {None}
    unknown = sorted(names - {"id", "name", "version"})
    if unknown or any(match["invalid"] is not None for match in found):
        what = f"${unknown[0]} is unknown" if unknown else "a lone $ (write $$)"
        raise Refusal(f"template, line {number}: {what}; there are $id, $name and $version")
    rows = fields if names else [{}]
    return "".join(string.Template(line).substitute(row) for row in rows)


# ── The command ───────────────────────────────────────────────────────────────────────


def main(argv: Sequence[str] | None = None) -> int:
    """Write the registry, or with `--check` only say whether it is up to date.

    Returns 0 when the file is as it should be, 1 when `--check` finds it is not, and 2 when
    the input is refused, in which case nothing was written.
    """
    parser = argument_parser()
    arguments = parser.parse_args(argv)
    try:
        text = registry(arguments, os.environ)
        output = output_path(arguments)
        if arguments.check:
            return check(output, text)
        write_if_changed(output, text)
    except (Refusal, OSError, UnicodeError) as refused:
        sys.stderr.write(f"{parser.prog}: {refused}\n")
        return 2
    return 0


def argument_parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(
        prog="refitd gen-modules",
        description="Write the source file that names the modules in this build of a backend.",
    )
    form = parser.add_mutually_exclusive_group(required=True)
    form.add_argument("--language", choices=sorted(DEFAULT_OUTPUT))
    form.add_argument(
        "--template",
        type=Path,
        metavar="FILE",
        help="for other languages: lines with $id, $name or $version are repeated",
    )
    parser.add_argument(
        "--modules",
        metavar="LIST",
        help="ids or id@version, joined by commas; default: $MODULES",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="default: registered_modules.py or .go; needed with --template",
    )
    parser.add_argument(
        "--package",
        metavar="NAME",
        help="Python: the package that holds the modules' packages (default: modules)",
    )
    parser.add_argument(
        "--import-prefix",
        metavar="PATH",
        help="Go, where it is needed: the import path that holds the modules' packages",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="write nothing; exit 1 if the file is not what it should be",
    )
    return parser


def registry(arguments: argparse.Namespace, environ: Mapping[str, str]) -> str:
    """Make the text that was asked for."""
    refuse_options_of_others(arguments)
    modules = parse_modules(module_list(arguments.modules, environ.get("MODULES")))
    if arguments.template:
        return fill_template(arguments.template.read_text(encoding="utf-8"), modules)
    if arguments.language == "go":
        return go_registry(modules, arguments.import_prefix)
    return python_registry(modules, arguments.package or "modules")


def refuse_options_of_others(arguments: argparse.Namespace) -> None:
    """An option without effect is a misunderstanding: better said than swallowed."""
    if arguments.package is not None and arguments.language != "python":
        raise Refusal("--package goes with --language python")
    if (arguments.import_prefix is not None) != (arguments.language == "go"):
        raise Refusal("--language go needs --import-prefix, and nothing else takes it")


def module_list(option: str | None, environment: str | None) -> str:
    """Tell "no modules" from "nobody said": a forgotten ARG must not build an empty backend."""
    text = environment if option is None else option
    if text is None:
        raise Refusal("MODULES is not set; in a Dockerfile, say ARG MODULES after FROM")
    return text


def output_path(arguments: argparse.Namespace) -> Path:
    """Give the file to write."""
    if arguments.output:
        return Path(arguments.output)
    if arguments.template:
        raise Refusal("--template needs --output")
    return Path(DEFAULT_OUTPUT[arguments.language])


def check(output: Path, text: str) -> int:
    """Say whether the file holds this text."""
    if holds(output, text):
        return 0
    sys.stderr.write(f"{output} is not up to date\n")
    return 1


def write_if_changed(output: Path, text: str) -> None:
    """Replace the file in one step, and leave one that is right alone, timestamp and all.

    Not by `tempfile`, whose files are readable to their owner only: in an image, the backend
    seldom runs as the user that built it.
    """
    if holds(output, text):
        return
    beside = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        beside.write_bytes(text.encode())
        beside.replace(output)
    finally:
        beside.unlink(missing_ok=True)


def holds(output: Path, text: str) -> bool:
    """Compare bytes, so that other line ends count as another file."""
    return output.is_file() and output.read_bytes() == text.encode()


if __name__ == "__main__":
    sys.exit(main())
