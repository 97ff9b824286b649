"""What is left of a container's options when it has had three other images: a table.

The container of `bench.fidelity_case` is replaced three times, each time by one of an image that
supplies other things. Then another is made afresh of the newest image, by the owner's very request,
and the two are compared field by field. A field that differs is

* *lost* where the owner asked for it: their value is not there any more;
* *pinned* where image and engine supply it: what stands there is of an earlier generation.

So is each file that was written into a volume: kept, or lost.

refitd has nothing but the container that runs. Beside it is compose, which has its owner's file, as
the mark to reach; and a plain copy of all that inspect says, to show that the measure finds things.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import docker
from docker.errors import NotFound
from rich.console import Console
from rich.table import Table

from bench import fidelity_case
from bench.fidelity_case import DATA, Case
from refitd.adapters.docker_engine import DockerEngine
from refitd.core import labels, recreate
from refitd.core.container import Container
from refitd.core.recreate import Clone
from rig.base_image import ensure_base
from rig.engine import Engine

Json = dict[str, Any]
#: Labels that a system writes for itself say nothing about what the owner wanted.
_ITS_OWN = (labels.PREFIX, "com.docker.compose.")
#: The image is another on purpose, whoever creates a container may attach to it or not, and what
#: counts of anonymous volumes is their data.
_SAYS_NOTHING = ("Image", "AttachStdin", "AttachStdout", "AttachStderr", "Volumes")


@dataclass(frozen=True)
class Loss:
    """Fields by their paths, and the data that is gone."""

    lost: tuple[str, ...]
    pinned: tuple[str, ...]
    data: tuple[str, ...]


class Renewal(Protocol):
    """A system that replaces a container."""

    def begin(self) -> None:
        """Make the first one, of the tag that its owner runs."""
        ...

    def renew(self) -> None:
        """That tag has moved to another image: replace the container."""
        ...

    def afresh(self) -> None:
        """Make it anew, as its owner would."""
        ...


# -- Comparing -----------------------------------------------------------------------------------


def undergo(
    client: docker.DockerClient, case: Case, renewal: Renewal, ours: tuple[str, ...] = _ITS_OWN
) -> Loss:
    """Three generations; answers what they cost."""
    _tag(client, case, 0)
    renewal.begin()
    container = client.containers.get(case.name)
    there = tuple(path for path in DATA if _is_mounted(container.attrs, path))
    for path in there:
        written = container.exec_run(["sh", "-c", f"echo kept > {path}/note"], user="root")
        assert written.exit_code == 0, written.output
    for generation in range(1, len(case.images)):
        _tag(client, case, generation)
        renewal.renew()
    container = client.containers.get(case.name)
    have = wishes(container.attrs, ours)
    data = tuple(path for path in there if not _has_note(container, path))
    container.remove(force=True)
    renewal.afresh()
    fresh = client.containers.get(case.name)
    want = wishes(fresh.attrs, ours)
    fresh.remove(force=True, v=True)
    return Loss(*_sorted_out(have, want, _supplied(client, case)), data)


def _sorted_out(have: Json, want: Json, supplied: Json) -> tuple[tuple[str, ...], tuple[str, ...]]:
    differ = [path for path in sorted(have | want) if have.get(path) != want.get(path)]
    asked = [path for path in differ if want.get(path) != supplied.get(path)]
    return tuple(asked), tuple(path for path in differ if path not in asked)


def _create(client: docker.DockerClient, name: str, body: Json) -> str:
    api: Any = client.api  # this method of it is not typed
    return str(api.create_container_from_config(body, name)["Id"])


def _supplied(client: docker.DockerClient, case: Case) -> Json:
    """A container of the newest image that nobody asks anything of."""
    body = {"Image": case.image, "HostConfig": {}}
    made = _create(client, f"{case.name}-bare", body)
    inspect: Json = client.api.inspect_container(made)
    client.api.remove_container(made, v=True)
    return wishes(inspect, ())


def wishes(inspect: Json, ours: tuple[str, ...]) -> Json:
    """All that was asked for or supplied, by path; not who it is and how it fares."""
    config, host = dict(inspect["Config"]), dict(inspect["HostConfig"])
    own = {inspect["Id"][:12], config["Hostname"]}
    if inspect["Id"].startswith(config["Hostname"]):
        config["Hostname"] = None
    for key in _SAYS_NOTHING:
        config.pop(key, None)
    flat = {f"Env.{line.partition('=')[0]}": line for line in config.pop("Env") or ()}
    for section in ("Labels", "ExposedPorts", "Healthcheck"):
        for key, value in (config.pop(section, None) or {}).items():
            if not (section == "Labels" and key.startswith(ours)):
                flat[f"{section}.{key}"] = value or "there"
    flat |= {f"Ulimits.{each['Name']}": each for each in host.pop("Ulimits") or ()}
    flat |= _mounts(host.pop("Binds", None) or (), host.pop("Mounts", None) or ())
    flat |= config | host
    for name, endpoint in inspect["NetworkSettings"]["Networks"].items():
        at = f"Networks.{name}"
        flat |= {at: "there", f"{at}.IPAMConfig": endpoint["IPAMConfig"]}
        flat |= {f"{at}.Aliases.{alias}": "there" for alias in {*(endpoint["Aliases"] or ())} - own}
    return {path: value for path, value in flat.items() if value or value == 0}


def _mounts(binds: Iterable[str], mounts: Iterable[Json]) -> Json:
    """By where they are in the container, however they were asked for; but anonymous volumes."""
    found: Json = {}
    for bind in binds:
        source, target, *mode = bind.split(":") if ":" in bind else ("", bind)
        if source and not _made_up(source):
            found[f"Mounts.{target}"] = (source, "ro" in mode)
    for mount in mounts:
        source, options = mount.get("Source", ""), (mount.get("VolumeOptions") or {})
        options = {key: value for key, value in options.items() if value}
        if mount["Type"] == "tmpfs":
            found[f"Mounts.{mount['Target']}"] = mount.get("TmpfsOptions")
        elif source and not _made_up(source):
            found[f"Mounts.{mount['Target']}"] = (source, bool(mount.get("ReadOnly")))
            if options:
                found[f"Mounts.{mount['Target']}.VolumeOptions"] = options
    return found


def _made_up(volume: str) -> bool:
    return len(volume) == len(secrets.token_hex(32)) and "/" not in volume


def _is_mounted(inspect: Json, path: str) -> bool:
    return any(mount["Destination"] == path for mount in inspect["Mounts"])


def _has_note(container: Any, path: str) -> bool:
    try:
        container.get_archive(f"{path}/note")
    except NotFound:
        return False
    return True


def _tag(client: docker.DockerClient, case: Case, generation: int) -> None:
    client.images.get(case.images[generation]).tag(case.image)


# -- Who replaces --------------------------------------------------------------------------------


class ByRequest:
    """A container that its owner asked the engine for; `replace` is told its name."""

    def __init__(
        self, client: docker.DockerClient, case: Case, body: Json, replace: Callable[[], None]
    ) -> None:
        self._client, self._case, self._body = client, case, body
        self.renew = replace

    def begin(self) -> None:
        """`docker run`."""
        body = {"HostConfig": {}, **self._body, "Image": self._case.image}
        self._client.api.start(_create(self._client, self._case.name, body))

    afresh = begin


class Refitd:
    """What its daemon does with a container in a replacement: probe, clone, compare."""

    def __init__(self, engine: DockerEngine, case: Case) -> None:
        self._engine, self._case = engine, case
        self._forebears: tuple[str, ...] = ()

    def __call__(self) -> None:
        """One more generation."""
        old = self._engine.container(self._case.name)
        assert old is not None, "it was made a moment ago"
        self._forebears = (*self._forebears, old.id)
        plan = Clone(
            name=f"{self._case.name}-next",
            image=self._case.image,
            final_name=self._case.name,
            labels={labels.FOREBEARS: ",".join(self._forebears)},
            api_version=self._engine.info().api_version,
            forebears=self._forebears,
        )
        baseline = self._baseline(old)
        new = self._engine.create(recreate.create_request(old.inspect, baseline, plan))
        made = self._engine.container(new)
        assert made is not None, "it was made a moment ago"
        unlike = recreate.differences(
            old.inspect, baseline, made.inspect, self._baseline(made), late=False
        )
        assert unlike == (), f"stopped by its own comparison: {unlike}"
        self._engine.remove(old.id)
        self._engine.start(new)
        self._engine.rename(new, self._case.name)

    def _baseline(self, container: Container) -> Mapping[str, Any]:
        request = recreate.probe_request(container.inspect, f"{self._case.name}-probe")
        made = self._engine.create(request)
        try:
            probe = self._engine.container(made)
            assert probe is not None, "it was made a moment ago"
            return probe.inspect
        finally:
            self._engine.remove(made, anonymous_volumes=True)


class Copy:
    """All that inspect says of the old one is asked of the new one."""

    def __init__(self, client: docker.DockerClient, case: Case) -> None:
        self._client, self._case = client, case

    def __call__(self) -> None:
        """One more generation."""
        old = self._client.containers.get(self._case.name)
        body = {
            **old.attrs["Config"],
            "Image": self._case.image,
            "HostConfig": old.attrs["HostConfig"],
            "NetworkingConfig": {"EndpointsConfig": old.attrs["NetworkSettings"]["Networks"]},
        }
        old.remove(force=True)
        self._client.api.start(_create(self._client, self._case.name, body))


class Compose:
    """`docker compose up` with the owner's file at hand."""

    def __init__(self, host: str, case: Case) -> None:
        self._host = host
        self._file = Path(case.folder) / "compose.yaml"
        spec = {
            "name": case.name,
            "services": {"backend": fidelity_case.service(case)},
            "volumes": {"named": {"name": case.volume, "external": True}},
            "networks": {"net": {"name": case.network, "external": True}},
        }
        self._file.write_text(json.dumps(spec))  # which is YAML, too

    def begin(self) -> None:
        """Up."""
        self._run("up", "--detach", "--no-build", "--pull", "never")

    def renew(self) -> None:
        """Up, whatever it takes the container for."""
        self._run("up", "--detach", "--no-build", "--pull", "never", "--force-recreate")

    afresh = begin

    def _run(self, *words: str) -> None:
        program = Path(sys.executable).with_name("docker-compose")
        argv = [str(program), "--progress", "quiet", "--file", str(self._file), *words]
        subprocess.run(argv, check=True, env={**os.environ, "DOCKER_HOST": self._host})


# -- The table -----------------------------------------------------------------------------------


@contextmanager
def ground() -> Iterator[tuple[Engine, docker.DockerClient, Case]]:
    """An engine with a case on it."""
    with Engine() as engine, tempfile.TemporaryDirectory() as folder:
        client = engine.client()
        base, name = ensure_base(client), f"refitd-bench-{secrets.token_hex(3)}"
        with fidelity_case.case(client, base, name, folder) as case:
            yield engine, client, case


def table(found: dict[str, Loss]) -> Table:
    """A row each."""
    shown = Table(title="After three generations of another image")
    for head in ("", "lost", "pinned", "data lost", "which"):
        shown.add_column(head, justify="left" if head in ("", "which") else "right")
    for name, loss in found.items():
        which = ", ".join((*loss.lost, *loss.pinned, *loss.data)) or "-"
        counts = (str(len(each)) for each in (loss.lost, loss.pinned, loss.data))
        shown.add_row(name, *counts, which)
    return shown


def main() -> None:
    """Measure and print; ends with 1 where refitd lost or pinned anything."""
    with ground() as (engine, client, case):
        adapter = DockerEngine(engine.host)
        body = fidelity_case.request(case)
        refitd = ByRequest(client, case, body, Refitd(adapter, case))
        copy = ByRequest(client, case, body, Copy(client, case))
        found = {
            "refitd": undergo(client, case, refitd),
            "a plain copy": undergo(client, case, copy),
            "compose, by its file": undergo(client, case, Compose(engine.host, case)),
        }
        adapter.close()
    Console().print(table(found))
    sys.exit(found["refitd"] != Loss((), (), ()))


if __name__ == "__main__":
    main()
