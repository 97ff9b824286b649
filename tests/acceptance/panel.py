"""A panel as it stands in real life: a `modules` table, a git repository, a backend container,
and refitd, all of them real, with the handles by which a test moves and reads them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import psycopg
from docker.models.containers import Container
from docker.models.images import Image
from psycopg.rows import dict_row

from rig import ports
from rig.base_image import has
from rig.git import Repository

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 90.0
#: The engine removes the layers of an image with it, and would build them anew for each test.
LAYERS = "refitd-rig/backend-layers"
Event = dict[str, Any]


@dataclass
class Panel:
    """`dsn` is for this machine, `inner_dsn` for containers."""

    name: str
    client: docker.DockerClient
    docker_host: str
    dsn: str
    inner_dsn: str
    repository: Repository
    base_image: str
    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)
    port: int = field(default_factory=ports.free_port)
    published: bool = True

    @property
    def container_name(self) -> str:
        return f"{self.name}-backend"

    @property
    def image(self) -> str:
        return f"{self.name}-backend:latest"

    # -- the database, as the web app writes it ---------------------------------------------------

    def sql(self, statement: str, *values: object) -> list[dict[str, Any]]:
        """Run a statement in a transaction of its own."""
        with psycopg.connect(self.dsn, autocommit=True, row_factory=dict_row) as connection:
            cursor = connection.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description is not None else []

    def install(self, *ids: str, enabled: bool = True) -> None:
        """Insert rows, each in its own transaction."""
        for id_ in ids:
            self.sql(
                "insert into modules (id, has_backend, enabled) values (%s, true, %s)", id_, enabled
            )

    def uninstall(self, *ids: str) -> None:
        for id_ in ids:
            self.sql("delete from modules where id = %s", id_)

    def switch(self, id_: str, *, on: bool) -> None:
        self.sql("update modules set enabled = %s where id = %s", on, id_)

    def deployments(self) -> list[dict[str, Any]]:
        """All deployments, oldest first."""
        return self.sql("select * from refitd.deployment order by id")

    def wanted(self) -> list[str]:
        """The ids that the table asks for."""
        rows = self.sql("select id from modules where has_backend order by id")
        return [row["id"] for row in rows]

    # -- the backend ------------------------------------------------------------------------------

    def get(self, path: str, timeout_s: float = 2.0) -> Any:
        """The backend's answer, through its published port, or else where it is on its network."""
        url = f"http://{self._address()}{path}"
        with urllib.request.urlopen(url, timeout=timeout_s) as answer:
            return json.load(answer)

    def built_in(self) -> list[str]:
        return sorted(module["id"] for module in self.get("/modules")["modules"])

    def enabled(self) -> list[str]:
        return sorted(self.get("/modules")["enabled"])

    def image_id(self) -> str:
        """Of the image that the backend runs."""
        return str(self.container().attrs["Image"])

    def _address(self) -> str:
        if self.published:
            return f"127.0.0.1:{self.port}"
        networks = self.container().attrs["NetworkSettings"]["Networks"]
        return next(f"{each['IPAddress']}:8080" for each in networks.values())

    def container(self) -> Container:
        return self.client.containers.get(self.container_name)

    def containers(self) -> list[Container]:
        """Every container whose name begins as ours does."""
        listed = self.client.containers.list(all=True, ignore_removed=True)
        return [each for each in listed if (each.name or "").startswith(self.name)]

    def build_first_image(self, modules: str = "") -> None:
        """What stood there before refitd: an image somebody built by hand."""
        self.client.images.build(
            path=str(self.repository.tree / "backend"),
            tag=self.image,
            buildargs={"BASE": self.base_image, "MODULES": modules},
            rm=True,
        )

    def start_backend(self, **options: Any) -> Container:
        """`docker run` as the panel's operator did it."""
        chosen: dict[str, Any] = {
            "name": self.container_name,
            "detach": True,
            "environment": {
                "DATABASE_URL": self.inner_dsn,
                "CONTAINER_NAME": self.container_name,
                **options.pop("environment", {}),
            },
            "ports": {"8080/tcp": ("127.0.0.1", self.port)},
            "restart_policy": {"Name": "unless-stopped"},
        }
        chosen |= options
        self.published = bool(chosen["ports"])
        container: Container = self.client.containers.run(self.image, **chosen)
        if self.published or "network" in chosen:
            until(self.healthy, "the first backend is healthy")
        return container

    def healthy(self) -> bool:
        try:
            self.get("/health")
        except (OSError, docker.errors.NotFound):
            return False
        return True

    def serves(self) -> bool:
        """Whether anybody of ours answers, whatever it is called; a canary does not count."""
        if self.published:
            return self.healthy()
        running = [each for each in self.containers() if each.status == "running"]
        return any(_answers(each) for each in running if "canary" not in (each.name or ""))

    # -- refitd -----------------------------------------------------------------------------------

    def config(self) -> Path:
        """Write refitd.toml, with `settings` on top of what is needed."""
        path = self.folder / "refitd.toml"
        base: dict[str, Any] = {
            "dsn": self.dsn,
            "docker_host": self.docker_host,
            "state_dir": str(self.folder / "state"),
            "target": {
                "backend": {
                    "container": self.container_name,
                    "image": self.image,
                    "source": {"repo": self.repository.url, "branch": "main", "subdir": "backend"},
                    "build": {"args": {"BASE": self.base_image}},
                    "health": {"deadline": "30s", "interval": "100ms"},
                    "watch": "2s",
                }
            },
        }
        path.write_text(toml(merged(base, self.settings)))
        return path

    def refitd(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the command line to its end."""
        argv = [sys.executable, "-m", "refitd", "--config", str(self.config()), *words]
        return subprocess.run(
            argv, capture_output=True, text=True, check=False, timeout=300, cwd=self.folder
        )

    def migrate_and_watch(self) -> None:
        done = self.refitd("migrate")
        assert done.returncode == 0, done.stderr
        self.sql("select refitd.watch('public.modules')")

    @contextmanager
    def daemon(self, **environment: str) -> Iterator[Daemon]:
        """`refitd run`, listening; stopped by SIGTERM at the end. What it said is told with whatever
        does not hold meanwhile."""
        daemon = Daemon(self.config(), self.folder, environment=environment)
        try:
            daemon.wait_until_it_listens()
            yield daemon
        except AssertionError as failure:
            failure.add_note(daemon.story())
            raise
        finally:
            daemon.end()

    def clear(self) -> None:
        """Take everything away that bears our name."""
        for container in self.containers():
            container.remove(force=True, v=True)
        for image in self.client.images.list():
            for tag in image.tags:
                if tag.startswith(f"{self.name}-"):
                    self._keep_layers(image, "git" if ":refitd-" in tag else "tar")
                    self.client.images.remove(tag, force=True)
        for network in self.client.networks.list(names=[self.name]):
            network.remove()

    def _keep_layers(self, image: Image, context: str) -> None:
        """One image a kind of context, so that the next panel's build finds its layers."""
        if not has(self.client, f"{LAYERS}:{context}"):
            image.tag(LAYERS, context)


class Daemon:
    """A running `refitd run` (or `once`), and all that it has said."""

    def __init__(
        self,
        config: Path,
        folder: Path,
        command: str = "run",
        *,
        prefix: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.events: list[Event] = []
        self._told = threading.Condition()
        self._ended = False
        self._past = 0
        argv = [*prefix, sys.executable, "-m", "refitd", "--config", str(config), command]
        self.process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            env={**os.environ, **(environment or {})},
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, event: str, timeout_s: float = PATIENCE_S, **facts: object) -> Event:
        """The next event of this name with these facts; what came before it is past then."""
        found = self._next(event, facts, timeout_s)
        self._past = found + 1
        return self.events[found]

    def wait_until_it_listens(self) -> None:
        """Nothing is past thereby."""
        self._next("listener.moved", {"state": "synced"}, PATIENCE_S)

    def said(self, event: str, **facts: object) -> list[Event]:
        return [each for each in self.events if matches(each, event, facts)]

    def story(self) -> str:
        return "\n".join(json.dumps(event) for event in self.events[-60:])

    def end(self) -> int:
        """SIGTERM, and the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            code = self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"it does not stop: {self.story()}") from None
        self._reader.join()
        if self.process.stderr:
            self.process.stderr.close()
        return code

    def kill(self) -> None:
        self.process.kill()
        self.end()

    def _next(self, event: str, facts: Mapping[str, object], timeout_s: float) -> int:
        deadline = time.monotonic() + timeout_s
        at = self._past
        with self._told:
            while True:
                for index in range(at, len(self.events)):
                    if matches(self.events[index], event, facts):
                        return index
                at = len(self.events)
                left = deadline - time.monotonic()
                late = left <= 0 or not self._told.wait(left)
                if self._ended or late:
                    how = "refitd ended before" if self._ended else f"not within {timeout_s:g} s:"
                    raise AssertionError(f"{how} {event} {dict(facts)}\n{self.story()}")

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            try:
                event = json.loads(line)
            except ValueError:
                event = {"event": "not json", "line": line.rstrip()}
            with self._told:
                self.events.append(event)
                self._told.notify_all()
        with self._told:
            self._ended = True
            self._told.notify_all()


def _answers(container: Container) -> bool:
    for each in container.attrs["NetworkSettings"]["Networks"].values():
        with suppress(OSError, urllib.error.HTTPError):
            url = f"http://{each['IPAddress']}:8080/health"
            with urllib.request.urlopen(url, timeout=2.0) as answer:
                return bool(answer.status == 200)
    return False


def matches(said: Event, event: str, facts: Mapping[str, object]) -> bool:
    return said.get("event") == event and all(said.get(key) == facts[key] for key in facts)


def until(
    condition: Callable[[], bool],
    what: str,
    timeout_s: float = PATIENCE_S,
    every_s: float = 0.05,
) -> None:
    """Wait for something that has no signal of its own: another program's state."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s:g} s: {what}"
        time.sleep(every_s)


def merged(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(base)
    for key, value in more.items():
        old = both.get(key)
        nested = isinstance(old, dict) and isinstance(value, dict)
        both[key] = merged(old or {}, value) if nested else value
    return {key: value for key, value in both.items() if value is not None}


def toml(values: Mapping[str, Any], at: str = "") -> str:
    """TOML of nested tables of texts, numbers and flags."""
    lines = [
        f"{key} = {json.dumps(value)}"
        for key, value in values.items()
        if not isinstance(value, dict)
    ]
    tables = [(key, value) for key, value in values.items() if isinstance(value, dict)]
    text = "\n".join(lines) + "\n"
    for key, value in tables:
        path = f"{at}.{key}" if at else key
        text += f"[{path}]\n" + toml(value, path)
    if not at:
        tomllib.loads(text)
    return text
