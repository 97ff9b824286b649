"""`examples/refitd.toml` says what is true: all keys, their defaults, and nothing else."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from refitd.core.target import Build, Health, Source, Target, Timing
from refitd.settings import LogSettings, load
from refitd.settings.explain import variable
from refitd.settings.form import FileForm, key
from refitd.settings.keys import all_keys

EXAMPLE = Path(__file__).parents[2] / "examples" / "refitd.toml"

#: A comment that is a line of TOML: a key with a value, or the head of a table.
COMMENTED_OUT = re.compile(r"# (?=[a-zA-Z_]+ = |\[[a-z.]+\])")

#: Keys whose default is nothing, which cannot be written down.
WITHOUT_DEFAULT = {
    "docker_host",
    "instance",
    "metrics_port",
    "target.backend.traffic_network",
    "target.backend.build.stage",
    "target.backend.build.args.PIP_INDEX_URL",
    "target.backend.health.tcp_port",
    "target.backend.health.command",
    "target.backend.health.http.port",
    "target.backend.health.http.contains",
}


def every_line_of_it() -> str:
    """The example with all that is commented out brought in, but for what excludes another."""
    lines = (COMMENTED_OUT.sub("", line) for line in EXAMPLE.read_text("utf-8").splitlines())
    return "\n".join(line for line in lines if not line.startswith('path = "../'))


def leaves(tree: dict[str, Any], above: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in tree.items():
        below = leaves(value, f"{above}{name}.") if isinstance(value, dict) else {}
        found |= below or {above + name: value}
    return found


def test_it_can_be_used_as_it_is(tmp_path: Path) -> None:
    """Copied to its place, it loads, and says nothing but the defaults and the smallest file."""
    settings = load(str(EXAMPLE), {}, tmp_path)
    assert settings.timing == Timing()
    assert settings.log == LogSettings()
    assert settings.targets == (
        Target(
            name="backend",
            container="panel-backend",
            image="panel-backend:latest",
            source=Source(repo="https://git.example.org/panel/core.git", subdir="backend"),
            build=Build(),
            health=Health(),
        ),
    )


def test_it_has_every_key() -> None:
    """A setting that is not in the example does not exist, and the other way round."""
    shown = set(leaves(tomllib.loads(every_line_of_it()))) | {"target.backend.source.path"}
    shown = {re.sub(r"args\.\w+", "args", name) for name in shown}
    there = {name.replace("NAME", "backend") for name in all_keys(FileForm)}
    tables = {name for name in there if any(other.startswith(name + ".") for other in there)}
    assert shown == there - tables


def test_the_defaults_it_shows_are_the_defaults(tmp_path: Path) -> None:
    """Bringing in every comment that shows a default changes nothing."""
    file = tmp_path / "refitd.toml"
    file.write_text(every_line_of_it(), "utf-8")
    told = load(str(file), {}, tmp_path)
    plain = load(str(EXAMPLE), {}, tmp_path)
    assert told.timing == plain.timing
    assert told.log == plain.log
    assert told.state_dir == plain.state_dir
    assert told.metrics_address == plain.metrics_address
    shown = leaves(tomllib.loads(every_line_of_it()))
    for name in shown.keys() - WITHOUT_DEFAULT:
        path = name.split(".")
        if path[0] == "target" and "http" not in path:
            assert _value(told.targets[0], path[2:]) == _value(plain.targets[0], path[2:]), name
    http = told.targets[0].health.http
    assert http is not None
    assert (http.path, http.status) == ("/", 200)


@pytest.mark.parametrize("name", sorted(leaves(tomllib.loads(every_line_of_it()))))
def test_each_key_can_come_from_the_environment(tmp_path: Path, name: str) -> None:
    """What the file can say, a variable can."""
    value = leaves(tomllib.loads(every_line_of_it()))[name]
    text = " ".join(value) if isinstance(value, list) else str(value).lower()
    text = value if isinstance(value, str) else text
    path = name.split(".")
    needed = {"REFITD_TARGET__BACKEND__HEALTH__HTTP__PORT": "1"} if "http" in path else {}
    whole = load(str(EXAMPLE), needed | {variable(tuple(path)): text}, tmp_path)
    assert whole.targets[0].name == "backend"


def _value(thing: Any, path: list[str]) -> object:
    for part in path:
        fields = {key(field): field for field in thing.__dataclass_fields__}
        thing = getattr(thing, fields[part])
    return thing
