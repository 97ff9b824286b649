"""What the README says of settings is what the settings code takes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import PydanticUndefined

from refitd.settings import Settings, load
from refitd.settings.explain import variable
from refitd.settings.form import FileForm
from refitd.settings.keys import all_keys, form_at
from refitd.settings.places import CONFIG_VARIABLE, OLD_NAMES, OLD_TARGET, from_old_names
from tests.docs.markdown import blocks, read, rows, section, ticked

README = read("README.md")
SETTINGS = section(README, "Settings")
TABLE = {ticked(row[0])[0]: row[1] for row in rows(SETTINGS, "key")}
DEFAULTS = {key: ticked(cell)[0] for key, cell in TABLE.items() if cell.startswith("`")}

#: All that is required, by the environment, so that a file may hold anything besides.
REQUIRED = {
    "REFITD_DSN": "postgresql://refitd@localhost/panel",
    "REFITD_TARGET__BACKEND__CONTAINER": "panel-backend",
    "REFITD_TARGET__BACKEND__IMAGE": "panel-backend:latest",
    "REFITD_TARGET__BACKEND__SOURCE__REPO": "https://git.example.org/panel/core.git",
}
HTTP = {"REFITD_TARGET__BACKEND__HEALTH__HTTP__PORT": "8000"}


def test_the_table_has_every_key() -> None:
    """Each key there is has its row, and each row is a key."""
    there = set(all_keys(FileForm))
    tables = {key for key in there if any(other.startswith(key + ".") for other in there)}
    assert set(TABLE) == there - tables


@pytest.mark.parametrize("key", sorted(DEFAULTS))
def test_a_default_is_the_default(key: str, tmp_path: Path) -> None:
    """To set a key to the default that is shown changes nothing."""
    environ = REQUIRED | (HTTP if ".http." in key else {})
    value = tomllib.loads(f"it = {DEFAULTS[key]}")["it"]
    path = tuple(key.replace("NAME", "backend").split("."))
    text = str(value).lower() if isinstance(value, bool) else str(value)
    assert _load(tmp_path, environ | {variable(path): text}) == _load(tmp_path, environ)
    assert text or not _default_of(key), "an empty variable counts as not set, and proves nothing"


@pytest.mark.parametrize("key", sorted(TABLE.keys() - DEFAULTS.keys()))
def test_what_has_no_default_has_none(key: str) -> None:
    """`required` must be given; a dash stands for nothing at all."""
    if TABLE[key] == "required":
        assert _default_of(key) is PydanticUndefined
    else:
        assert TABLE[key] == "—"
        assert _default_of(key) in (None, ())


def _default_of(key: str) -> Any:
    *above, name = key.split(".")
    form = form_at(above)
    assert form is not None
    return next(
        field.default for own, field in form.model_fields.items() if (field.alias or own) == name
    )


def _load(folder: Path, environ: dict[str, str], file: str | None = None) -> Settings:
    if file is not None:
        (folder / "refitd.toml").write_text(file, "utf-8")
        return load("refitd.toml", environ, folder)
    return load(None, environ, folder)


def test_the_smallest_file_works_by_itself(tmp_path: Path) -> None:
    """What is called the smallest file that works, does."""
    smallest, *_ = blocks(section(README, "Set up"), "toml")
    (target,) = _load(tmp_path, {}, smallest).targets
    assert (target.name, target.container) == ("backend", "panel-backend")


def test_nothing_can_be_left_out_of_the_smallest_file(tmp_path: Path) -> None:
    """Without any of its lines, but for the branch, it is refused or means something else."""
    smallest, *_ = blocks(section(README, "Set up"), "toml")
    whole = _load(tmp_path, {}, smallest)
    for line in smallest.splitlines():
        if "=" not in line or line.startswith(("branch", "subdir")):
            continue
        with pytest.raises(Exception, match="cannot be used"):
            _load(tmp_path, {}, smallest.replace(line + "\n", ""))
    assert whole.targets[0].source.branch == "main"


@pytest.mark.parametrize("number", range(len(blocks(README, "toml"))))
def test_every_piece_of_toml_loads(number: int, tmp_path: Path) -> None:
    """Each piece, with what is required besides, is taken as it stands."""
    piece = blocks(README, "toml")[number]
    assert _load(tmp_path, REQUIRED, piece).targets


def test_the_names_of_old_are_those() -> None:
    """The table of existing deployments' variables is whole, and right."""
    table = {
        name: ticked(row[1])[0] for row in rows(SETTINGS, "variable") for name in ticked(row[0])
    }
    place = from_old_names(dict.fromkeys(table, "x"), [])
    told = {
        ".".join(path).replace(OLD_TARGET, "NAME"): name for path, name in place.origins.items()
    }
    assert set(told) == set(table.values())
    assert all(table[name] == key for key, name in told.items())
    assert set(table) == {*OLD_NAMES, "DATABASE_URL", "DOCKER_HOST", "DOCKER_SOCKET"}


def test_the_variables_that_are_named_exist() -> None:
    """Each `REFITD_...` of the README is a setting's, or names the file."""
    named = set(re.findall(r"\bREFITD_[A-Z_]+\b", README))
    keys = {variable(tuple(key.replace("NAME", "backend").split("."))) for key in TABLE}
    assert named
    assert named <= keys | {CONFIG_VARIABLE}


@pytest.mark.parametrize("setting", sorted({w for w in ticked(README) if " = " in w}))
def test_a_setting_in_running_text_loads(setting: str, tmp_path: Path) -> None:
    """`canary = false` and the like can be written just so, somewhere in the file."""
    key = setting.partition(" = ")[0]
    (full,) = [name for name in TABLE if name.split(".")[-1] == key]
    head = ".".join(full.replace("NAME", "backend").split(".")[:-1])
    assert _load(tmp_path, REQUIRED, f"[{head}]\n{setting}\n" if head else setting).targets
