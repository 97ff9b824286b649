"""Everything that the demo needs, in the order in which it is needed, and away with it again.

First two panels before refitd: Postgres with a table for each, a git server with the backend, an
engine on which it runs. Then refitd.

The engine may be somebody else's. All that is built here descends from one image with one label,
which images hand on to every image and container made from them: what bears it is ours to remove.
"""

import secrets
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Self

import sweep
from by_hand import ByHand
from daemon import Daemon
from database import Database
from left import Left
from rig.base_image import OFFICIAL, ensure_base, has
from rig.engine import Engine
from rig.git import GitServer
from rig.postgres import Postgres
from rig.wheels import wheelhouse
from settings import refitd_toml
from target import Target
from view import View

ROOT = Path(__file__).resolve().parents[2]
BASE = "refitd-rig/base:bookworm"


class Stage:
    """Two panels with refitd, as a context manager."""

    #: A backend that publishes its port itself, and one behind a proxy.
    direct: Target
    proxied: Target
    daemon: Daemon

    def __init__(self, view: View) -> None:
        self._view = view
        self._stack = ExitStack()
        self.name = f"demo-{secrets.token_hex(2)}"

    def __enter__(self) -> Self:
        try:
            self._prepare_engine()
            self._prepare_source()
            self._prepare_database()
            self._run_backends()
            self._run_refitd()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def targets(self) -> tuple[Target, Target]:
        """Both."""
        return self.direct, self.proxied

    @property
    def docker_host(self) -> str:
        """The engine."""
        return self._engine.host

    def leave(self) -> Left:
        """Let everything outlive us; answers how it is taken down."""
        self._stack.pop_all()
        left_in_order = (self.daemon, self._git, self._server, self._engine)
        return Left(
            name=self.name,
            engine="" if self._engine.private else self._engine.host,
            images=self._brought,
            commands=[each.leave() for each in left_in_order],
        )

    # -- setting up -----------------------------------------------------------------------------

    def _prepare_engine(self) -> None:
        self._view.at("a Docker engine")
        self._engine = self._stack.enter_context(Engine())
        self._client = self._engine.client()
        whose = "a private one" if self._engine.private else f"the one at {self._engine.host}"
        self._view.say(f"Docker engine: {whose}, version {self._client.version()['Version']}")
        self._view.at("a base image")
        self._brought = [tag for tag in (BASE, OFFICIAL) if not has(self._client, tag)]
        if not self._engine.private:
            self._stack.callback(sweep.images, self._client, self._brought)
            self._stack.callback(sweep.descendants, self._client, self.name)
        ensure_base(self._client, BASE)
        self._base = sweep.labelled(self._client, BASE, self.name)

    def _prepare_source(self) -> None:
        self._view.at("a git repository with the backend and its wheels")
        self._git = self._stack.enter_context(GitServer())
        self._repository = self._git.repository("panel")
        wheels = wheelhouse([f"psycopg[binary]=={version('psycopg')}"])
        self._repository.commit_folder(wheels, at="backend/wheels", message="Wheels of psycopg")
        generator = (ROOT / "daemon/refitd/gen_modules.py").read_text()
        self._repository.commit({"backend/gen_modules.py": generator}, "The registry's generator")
        backend = ROOT / "examples/backend"
        commit = self._repository.commit_folder(backend, at="backend", message="The backend")
        self._view.say(f"Git repository: {self._repository.url} at {commit[:12]}")

    def _prepare_database(self) -> None:
        self._view.at("Postgres")
        self._server = self._stack.enter_context(Postgres(listen="*"))
        self._database = Database(self._server)
        self._view.say(f"Postgres: port {self._server.port}, a table `modules` for each panel")

    def _run_backends(self) -> None:
        self._view.at("the backends, built and run by hand")
        hands = ByHand(self._client, self._database, self.name, self._base, self._engine.gateway())
        image = hands.first_image(f"{self._repository.url}#main:backend")
        self.direct = hands.direct(image)
        self._view.say(f"Backend: {self.direct.container} at {self.direct.url}")
        self.proxied = hands.proxied(image)
        self._view.say(f"Backend: {self.proxied.container}, by a proxy at {self.proxied.url}")

    def _run_refitd(self) -> None:
        self._view.at("refitd")
        self.daemon = self._stack.enter_context(Daemon(self.name, self._view.heard))
        settings = refitd_toml(
            dsn=self._database.dsn("refitd"),
            docker_host=self._engine.host,
            state_dir=self.daemon.state,
            repo=self._repository.url,
            base=self._base,
            targets=self.targets,
        )
        self.daemon.migrate(settings, self._database.owner)
        self._database.watch(*self.targets)
        self.daemon.run(self.targets)
