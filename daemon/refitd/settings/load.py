"""From file and environment to `Settings`, or one error that lists all that is wrong.

The first of these that says something about a setting is believed:

1. `REFITD_…` variables, one for every key, `__` between the levels;
2. the file;
3. the names of old (`DATABASE_URL`, `GIT_BRANCH`, …). They come last because others use them
   too: a build server's `GIT_BRANCH` must not turn production to another branch. One that is
   passed over with another value is noted.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource

from refitd.core.redact import redact
from refitd.core.source import check_source
from refitd.core.target import Source, Target
from refitd.errors import SettingsError, SourceRefused
from refitd.settings import places
from refitd.settings.explain import explain
from refitd.settings.form import FileForm
from refitd.settings.places import Place
from refitd.settings.values import Settings

STATE_DIR = "/var/lib/refitd"

#: A target's name goes into labels, image tags and file names.
_TARGET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}\Z")


def load(config: str | None, environ: Mapping[str, str], cwd: Path) -> Settings:
    """Read the settings; `config` is the file that the command line names."""
    file = places.find_file(config, environ, cwd)
    raw = places.read_file(file)
    environment = places.from_environment(environ, _targets(raw))
    targets_so_far = {**_targets(raw), **_targets(environment.tree)}
    local = any(_at(target, ("source", "path")) for target in targets_so_far.values())
    old = places.from_old_names(environ, targets_so_far, local=local)
    trees = (environment.tree, raw, old.tree)

    problems = [*_misnamed(trees), *_shared_containers(trees)]
    try:
        form = _validated(trees)
    except ValidationError as bad:
        problems += explain(bad, old.origins | environment.origins)
        raise _cannot_be_used(file, problems) from None  # the cause would show values
    base = file.parent if file else cwd
    targets = tuple(_rooted(target.value(name), base) for name, target in form.target.items())
    problems += _refused_sources(targets)
    if problems:
        raise _cannot_be_used(file, problems)
    return Settings(
        dsn=form.dsn.get_secret_value(),
        docker_host=_docker_host(form.docker_host),
        state_dir=_state_dir(form.state_dir, environ, base),
        targets=targets,
        timing=form.timing.value(),
        log=form.log.value(),
        metrics_port=form.metrics_port,
        metrics_address=form.metrics_address,
        instance=form.instance,
        file=file,
        notes=tuple(_notes(trees, old, environ)),
    )


def _targets(tree: Mapping[str, Any]) -> dict[str, Any]:
    found = tree.get("target")
    return found if isinstance(found, dict) else {}


def _validated(trees: tuple[dict[str, Any], ...]) -> FileForm:
    """Merge, the first of `trees` the strongest, and check."""

    class Form(FileForm):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            *_: PydanticBaseSettingsSource,
            **__: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return tuple(InitSettingsSource(settings_cls, tree) for tree in trees)

    return Form()  # type: ignore[call-arg]  # the sources supply them


def _misnamed(trees: tuple[dict[str, Any], ...]) -> Iterator[str]:
    for name in {name: None for tree in trees for name in _targets(tree)}:
        if not _TARGET_NAME.match(name):
            yield f"`target.{name}`: {name!r} must be wholly {_TARGET_NAME.pattern[:-2]}"


def _shared_containers(trees: tuple[dict[str, Any], ...]) -> Iterator[str]:
    """Two targets would take turns at replacing the one container, for ever."""
    container_of: dict[str, Any] = {}
    for tree in reversed(trees):
        for name, target in _targets(tree).items():
            if isinstance(target, dict) and isinstance(target.get("container"), str):
                container_of[name] = target["container"]
    targets_of: dict[str, list[str]] = defaultdict(list)
    for name, container in container_of.items():
        targets_of[container].append(name)
    for container, names in targets_of.items():
        if len(names) > 1:
            keys = " and ".join(f"`target.{name}.container`" for name in sorted(names))
            yield f"{keys}: both are {container!r}; a container belongs to one target"


def _refused_sources(targets: tuple[Target, ...]) -> Iterator[str]:
    for target in targets:
        try:
            check_source(target.source)
        except SourceRefused as refused:
            yield f"`target.{target.name}.source`: {refused}"


def _rooted(target: Target, base: Path) -> Target:
    """A relative folder is meant from where the file is."""
    source: Source = target.source
    if source.path is None:
        return target
    folder = (base / Path(source.path).expanduser()).resolve()
    return replace(target, source=replace(source, path=str(folder)))


def _docker_host(host: str | None) -> str | None:
    return f"unix://{host}" if host and host.startswith("/") else host


def _state_dir(state_dir: str | None, environ: Mapping[str, str], base: Path) -> Path:
    """As set; else the first of those that systemd made for us; else the usual one."""
    given = environ.get("STATE_DIRECTORY", "").split(":")[0]
    return base / Path(state_dir or given or STATE_DIR).expanduser()


def _notes(
    trees: tuple[dict[str, Any], ...], old: Place, environ: Mapping[str, str]
) -> Iterator[str]:
    for path, name in old.origins.items():
        for tree in trees[:-1]:
            stronger = _at(tree, path)
            if stronger is not None and stronger != environ[name]:
                yield f"{name} is passed over: `{'.'.join(path)}` is set elsewhere"
                break
    if len({name for tree in trees for name in _targets(tree)}) > 1:
        for name in sorted(places.OLD_NAMES.keys() & environ.keys()):
            yield f"{name} is passed over: it is for a single target, and there are several"


def _at(tree: Any, path: tuple[str, ...]) -> object:
    for part in path:
        tree = tree.get(part) if isinstance(tree, dict) else None
    return tree


def _cannot_be_used(file: Path | None, problems: list[str]) -> SettingsError:
    what = (
        f"{file} and the environment" if file else "No refitd.toml was found, and the environment"
    )
    lines = [f"{what} cannot be used:" if file else f"{what} alone cannot be used:"]
    return SettingsError(redact("\n".join(lines + [f"  {problem}" for problem in problems])))
