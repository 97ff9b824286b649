"""Commits and folders from a real git server."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from dulwich.objects import ObjectID
from dulwich.repo import Repo

from refitd.adapters import git as git_adapter
from refitd.adapters.git import DulwichGit
from refitd.core.target import Source
from refitd.errors import SourceRefused, SourceUnavailable
from rig.git import Repository, git
from rig.ports import free_port


@pytest.fixture
def remote() -> DulwichGit:
    """The adapter, with little patience."""
    return DulwichGit(patience_s=2)


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that accepts and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_branch_to_commit(remote: DulwichGit, repository: Repository) -> None:
    """A branch is resolved to the commit it is at now."""
    repository.commit({"a": "1"})
    tip = repository.commit({"a": "2"})
    other = repository.commit({"a": "3"}, branch="next")
    assert remote.commit(Source(repo=repository.url)) == tip
    assert remote.commit(Source(repo=repository.url, branch="next")) == other


def test_missing_branch(remote: DulwichGit, repository: Repository) -> None:
    """A branch that is not there is named, with those that are."""
    repository.commit({"a": "1"})
    with pytest.raises(SourceRefused, match="no branch 'man': it has main"):
        remote.commit(Source(repo=repository.url, branch="man"))


def test_checkout(remote: DulwichGit, repository: Repository) -> None:
    """The folder of a commit, with modes and links, is there as long as it is used."""
    repository.tree.joinpath("backend").mkdir()
    program = repository.tree / "backend/run"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    repository.tree.joinpath("backend/link").symlink_to("run")
    commit = repository.commit({"backend/word": "first", "other/word": "x"})
    repository.commit({"backend/word": "second"})
    with remote.checkout(Source(repo=repository.url, subdir="backend"), commit) as folder:
        here = Path(folder)
        assert sorted(path.name for path in here.iterdir()) == ["link", "run", "word"]
        assert (here / "word").read_text() == "first"
        assert (here / "run").stat().st_mode & 0o111
        assert (here / "link").is_symlink()
    assert not Path(folder).exists()


def test_server_that_hands_out_tips_only(remote: DulwichGit, repository: Repository) -> None:
    """An older commit is then found by fetching its branch."""
    commit = repository.commit({"word": "first"})
    repository.commit({"word": "second"})
    git("config", "uploadpack.allowReachableSHA1InWant", "false", cwd=repository.bare)
    with remote.checkout(Source(repo=repository.url), commit) as folder:
        assert Path(folder, "word").read_text() == "first"


def test_missing_subdir(remote: DulwichGit, repository: Repository) -> None:
    """A folder that is not there, or is a file, is named, with those that are."""
    commit = repository.commit({"backend/a": "1", "web/b": "2", "file": "3"})
    for subdir in ("nowhere", "file", "backend/deeper"):
        source = Source(repo=repository.url, subdir=subdir)
        with (
            pytest.raises(SourceRefused, match=f"no folder '{subdir}'.*: it has backend, web"),
            remote.checkout(source, commit),
        ):
            pass


def test_folders_alone_tell_of_a_missing_subdir(
    remote: DulwichGit, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For the question whether a folder is there no file is fetched where the server can leave
    them out; one that cannot is asked for the commit as a build does."""
    commit = repository.commit({"backend/a": "1" * 4000, "web/b": "2", "file": "3"})
    blob = ObjectID(git("rev-parse", f"{commit}:backend/a", cwd=repository.bare).encode())
    fetched: list[bool] = []
    find_tree = git_adapter._tree

    def note(repo: Repo, id_: ObjectID, source: Source) -> ObjectID:
        fetched.append(blob in repo.object_store)
        return find_tree(repo, id_, source)

    monkeypatch.setattr(git_adapter, "_tree", note)
    for can in ("false", "true"):
        git("config", "uploadpack.allowFilter", can, cwd=repository.bare)
        remote.check_subdir(Source(repo=repository.url, subdir="backend"), commit)
        with pytest.raises(SourceRefused, match=r"no folder 'backnd'.*: it has backend, web"):
            remote.check_subdir(Source(repo=repository.url, subdir="backnd"), commit)
    assert fetched == [True, True, False, False]


def test_no_subdir_is_asked_of_nobody(remote: DulwichGit) -> None:
    """Without a `subdir` the commit alone is enough."""
    remote.check_subdir(Source(repo=f"git://127.0.0.1:{free_port()}/core.git"), "0" * 40)


def test_missing_commit(remote: DulwichGit, repository: Repository) -> None:
    """A commit that was rewritten away is said to be gone."""
    repository.commit({"a": "1"})
    with (
        pytest.raises(SourceRefused, match="no longer in branch"),
        remote.checkout(Source(repo=repository.url), "0" * 40),
    ):
        pass


def test_missing_repository(remote: DulwichGit, repository: Repository) -> None:
    """A server that has no such repository has said its last word."""
    with pytest.raises(SourceRefused):
        remote.commit(Source(repo=repository.url.replace(".git", "-not.git")))


def test_refused_before_asked(remote: DulwichGit) -> None:
    """What the rules refuse is never connected to."""
    with pytest.raises(SourceRefused, match="insecure"):
        remote.commit(Source(repo="git://git.example.org/core.git"))


@pytest.mark.parametrize("scheme", ["git", "http"])
def test_nobody_there(remote: DulwichGit, scheme: str) -> None:
    """A server that is down may come back."""
    with pytest.raises(SourceUnavailable):
        remote.commit(Source(repo=f"{scheme}://127.0.0.1:{free_port()}/core.git"))


@pytest.mark.parametrize("scheme", ["git", "http"])
def test_silence(remote: DulwichGit, silent: int, scheme: str) -> None:
    """A server that accepts and says nothing is not waited for for ever."""
    with pytest.raises(SourceUnavailable):
        remote.commit(Source(repo=f"{scheme}://127.0.0.1:{silent}/core.git"))


class _LoginPage(BaseHTTPRequestHandler):
    """What a proxy that wants people to log in answers to everything."""

    def do_GET(self) -> None:
        """Status 200, and no git."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>log in first</html>")

    def log_message(self, *_: object) -> None:
        """Not into the test's output."""


def test_answer_that_is_not_git_s(remote: DulwichGit) -> None:
    """A page in git's place is a source that is not to be had now, by name; nothing crashes."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _LoginPage) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        where = f"http://127.0.0.1:{server.server_port}/core"
        with pytest.raises(SourceUnavailable, match="does not answer as a git server does"):
            remote.commit(Source(repo=where))
        server.shutdown()


def test_host_that_is_an_option(remote: DulwichGit) -> None:
    """A host that ssh would take for an option is refused."""
    with pytest.raises(SourceRefused, match="an option to ssh"):
        remote.commit(Source(repo="ssh://-oProxyCommand=true/core.git"))


def test_no_credentials_in_messages(remote: DulwichGit) -> None:
    """A URL with a password comes without it into what is said."""
    repo = f"http://joe:hunter2@127.0.0.1:{free_port()}/core.git"
    with pytest.raises(SourceUnavailable) as unavailable:
        remote.commit(Source(repo=repo))
    assert "hunter2" not in str(unavailable.value)


def test_local_folder(remote: DulwichGit, tmp_path: Path) -> None:
    """A folder's digest changes with content, names and modes, and only with those."""
    (tmp_path / "backend").mkdir()
    word = tmp_path / "backend/word"
    word.write_text("first")
    source = Source(path=str(tmp_path), subdir="backend")
    seen = [remote.commit(source)]
    word.touch()
    (tmp_path / "outside").write_text("x")
    assert remote.commit(source) == seen[0]
    word.write_text("second")
    seen.append(remote.commit(source))
    word.chmod(0o755)
    seen.append(remote.commit(source))
    word.rename(tmp_path / "backend/other")
    seen.append(remote.commit(source))
    assert len(set(seen)) == 4
    with remote.checkout(source, seen[-1]) as folder:
        assert folder == str(tmp_path / "backend")


def test_missing_folder(remote: DulwichGit, tmp_path: Path) -> None:
    """A folder that is not there is named."""
    with pytest.raises(SourceRefused, match="nowhere"):
        remote.commit(Source(path=str(tmp_path), subdir="nowhere"))
    with pytest.raises(SourceRefused, match="nowhere"):
        remote.check_subdir(Source(path=str(tmp_path), subdir="nowhere"), "digest")
