"""A git server, and repositories whose history a test writes."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from rig import ports
from rig.child import Child, Traces

# Whatever the person at this machine has set up for git is theirs.
_ENV = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "The Rig",
    "GIT_AUTHOR_EMAIL": "rig@example.org",
    "GIT_COMMITTER_NAME": "The Rig",
    "GIT_COMMITTER_EMAIL": "rig@example.org",
}


def git(*words: str, cwd: Path) -> str:
    """What git answers."""
    done = subprocess.run(
        ["git", *words], cwd=cwd, env=os.environ | _ENV, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"git {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout.strip()


@dataclass(frozen=True)
class Repository:
    """A bare repository that is served, and the work tree from which it is filled."""

    url: str
    bare: Path
    tree: Path

    def commit(
        self,
        files: Mapping[str, str | bytes | None],
        message: str = "A change",
        *,
        branch: str = "main",
    ) -> str:
        """Writes these files (None removes one), commits and pushes; returns the commit's id."""
        self._on(branch)
        for name, text in files.items():
            _write(self.tree / name, text)
        return self._push(branch, message)

    def commit_folder(
        self, source: Path, at: str = ".", message: str = "A copy", *, branch: str = "main"
    ) -> str:
        """Copies a folder into the repository, commits and pushes; returns the commit's id."""
        self._on(branch)
        ignored = shutil.ignore_patterns("__pycache__", ".git")
        shutil.copytree(source, self.tree / at, dirs_exist_ok=True, ignore=ignored)
        return self._push(branch, message)

    def head(self, branch: str = "main") -> str:
        """The commit that the branch is at."""
        return git("rev-parse", f"refs/heads/{branch}", cwd=self.bare)

    def delete_branch(self, branch: str) -> None:
        """Takes a branch away from the server."""
        git("update-ref", "-d", f"refs/heads/{branch}", cwd=self.bare)

    def _on(self, branch: str) -> None:
        if git("symbolic-ref", "--short", "HEAD", cwd=self.tree) == branch:
            return
        known = git("branch", "--list", branch, cwd=self.tree)
        git("checkout", "--quiet", *([] if known else ["-b"]), branch, cwd=self.tree)

    def _push(self, branch: str, message: str) -> str:
        git("add", "--all", "--force", cwd=self.tree)
        git("commit", "--quiet", "--allow-empty", "--message", message, cwd=self.tree)
        git(
            "push", "--quiet", "--force", str(self.bare), f"HEAD:refs/heads/{branch}", cwd=self.tree
        )
        return git("rev-parse", "HEAD", cwd=self.tree)


class GitServer:
    """Serves repositories by `git daemon`, as a context manager; they are gone with it."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.host = host
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        folder = Path(tempfile.mkdtemp(prefix="refitd-rig-git-"))
        self.port = ports.free_port(self.host)
        self._served = folder / "served"
        self._trees = folder / "trees"
        self._served.mkdir()
        child = Child(
            argv=[
                *("git", "daemon", "--export-all", "--reuseaddr", "--informative-errors"),
                *(f"--base-path={self._served}", f"--listen={self.host}", f"--port={self.port}"),
                str(self._served),
            ],
            log=folder / "log",
            env=os.environ | _ENV,
            traces=Traces(folders=[folder]),
        )
        self.child = self._stack.enter_context(child)
        if not ports.answers(self.host, self.port):
            words = child.last_words()
            self._stack.close()
            raise RuntimeError(f"git daemon did not come up:\n{words}")
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def leave(self) -> str:
        """Lets the server run on; returns the command that takes it down."""
        return f"kill {self.child.leave()}"

    def repository(self, name: str) -> Repository:
        """A new, empty repository with `main` as its default branch."""
        bare = self._served / f"{name}.git"
        tree = self._trees / name
        for folder, kind in ((bare, ["--bare"]), (tree, [])):
            folder.mkdir(parents=True)
            git("init", "--quiet", "--initial-branch=main", *kind, cwd=folder)
        # As the large hosts do: a build asks for its commit by id.
        git("config", "uploadpack.allowReachableSHA1InWant", "true", cwd=bare)
        return Repository(f"git://{self.host}:{self.port}/{name}.git", bare, tree)


def _write(path: Path, text: str | bytes | None) -> None:
    if text is None:
        path.unlink()
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
