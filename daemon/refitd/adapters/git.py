"""`ports.Git` through dulwich: a branch to its commit, a commit to a folder. No git binary.

Only the one commit is fetched where the server hands out a commit by its id; where it does
not (or the branch has moved on and it is an old server), the branch is, with its history. A
local folder has no commits: the digest of its content stands in for one.
"""

from __future__ import annotations

import hashlib
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import urllib3.exceptions
from dulwich.client import (
    HTTPProxyUnauthorized,
    HTTPUnauthorized,
    InvalidWants,
    StrangeHostname,
)
from dulwich.errors import GitProtocolError, HangupException, NotGitRepository, NotTreeError
from dulwich.index import build_index_from_tree
from dulwich.object_store import tree_lookup_path
from dulwich.objects import Commit, ObjectID
from dulwich.refs import Ref
from dulwich.repo import Repo

from refitd.adapters.git_transport import PATIENCE_S, reached
from refitd.core.redact import redact
from refitd.core.source import check_source, subdir_of
from refitd.core.target import Source
from refitd.errors import SourceError, SourceRefused, SourceUnavailable

_HEADS = b"refs/heads/"
#: As many branches or folders as a message has room for.
_SHOWN = 10
#: What servers say when it is not going to be better the next time.
_FINAL = (
    "denied",
    "not exported",
    "not found",
    "no such repository",
    "not appear to be a git repository",
    "publickey",
    "verification failed",
)


class DulwichGit:
    """Git remotes over https, http, ssh and git; folders of this machine."""

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s

    def commit(self, source: Source) -> str:
        check_source(source)
        if source.path is not None:
            return _digest(_local(source))
        return self._tip(source).decode()

    def check_subdir(self, source: Source, commit: str) -> None:
        """Fetches that commit's folders, and its files only where the server cannot do without."""
        check_source(source)
        if source.path is not None:
            _local(source)
        elif subdir_of(source):
            with (
                tempfile.TemporaryDirectory(prefix="refitd-source-") as folder,
                Repo.init_bare(folder) as repo,
            ):
                id_ = ObjectID(commit.encode())
                self._fetch(source, id_, repo, leaving_out=b"blob:none")
                _tree(repo, id_, source)

    @contextmanager
    def checkout(self, source: Source, commit: str) -> Iterator[str]:
        check_source(source)
        if source.path is not None:
            yield str(_local(source))
            return
        with tempfile.TemporaryDirectory(prefix="refitd-source-") as folder:
            with Repo.init_bare(folder + "/git", mkdir=True) as repo:
                self._fetch(source, ObjectID(commit.encode()), repo)
                target = Path(folder, "tree")
                target.mkdir()
                _write_out(repo, ObjectID(commit.encode()), source, target)
            yield str(target)

    def _tip(self, source: Source) -> ObjectID:
        assert source.repo is not None, "a local folder has no branches"
        with _translated(source), reached(source.repo, self._patience_s) as (client, path):
            refs = client.get_refs(path, ref_prefix=[_HEADS]).refs
        tip = refs.get(Ref(_HEADS + source.branch.encode()))
        if tip is None:
            names = [ref[len(_HEADS) :].decode() for ref in refs if ref.startswith(_HEADS)]
            raise SourceRefused(
                f"{redact(source.repo)} has no branch {source.branch!r}: {_listed(names)}"
            )
        return tip

    def _fetch(
        self, source: Source, commit: ObjectID, repo: Repo, leaving_out: bytes | None = None
    ) -> None:
        assert source.repo is not None, "a local folder is not fetched"
        with (
            _translated(source),
            reached(source.repo, self._patience_s) as (client, path),
            suppress(GitProtocolError, InvalidWants, KeyError),  # it hands out tips only
        ):
            client.fetch(
                path,
                repo,
                determine_wants=lambda *_, **__: [commit],
                depth=1,
                filter_spec=leaving_out,
            )
        if commit in repo.object_store:
            return
        tip = self._tip(source)
        with _translated(source), reached(source.repo, self._patience_s) as (client, path):
            client.fetch(
                path, repo, determine_wants=lambda *_, **__: [tip], filter_spec=leaving_out
            )
        if commit not in repo.object_store:
            raise SourceRefused(
                f"commit {commit.decode()} is no longer in branch {source.branch!r} of "
                f"{redact(source.repo)}"
            )


@contextmanager
def _translated(source: Source) -> Iterator[None]:
    """The one place where errors of dulwich and of the transports become ours."""
    where = redact(source.repo or "")
    try:
        yield
    except (HTTPUnauthorized, HTTPProxyUnauthorized) as error:
        raise SourceRefused(f"{where} wants a login, or refuses the one it was given") from error
    except NotGitRepository as error:
        raise SourceRefused(f"there is no git repository at {where}") from error
    except (GitProtocolError, OSError, urllib3.exceptions.HTTPError) as error:
        raise _as_ours(where, error) from error
    except StrangeHostname as error:
        raise SourceRefused(f"{where} is no git URL: its host is an option to ssh") from error
    except (ValueError, LookupError, AssertionError) as error:
        # A login page, a proxy's error page: dulwich takes it for git's answer and stumbles.
        text = redact(" ".join(str(error).split()))[:200]
        raise SourceUnavailable(
            f"{where} does not answer as a git server does (is it a repository's address?): {text}"
        ) from error


def _as_ours(where: str, error: Exception) -> SourceError:
    reason = error.reason if isinstance(error, urllib3.exceptions.MaxRetryError) else error
    text = redact(" ".join(str(reason or error).split()))
    answered = isinstance(error, GitProtocolError)
    if answered and any(words in text.lower() for words in _FINAL):
        return SourceRefused(f"{where} refuses: {text}")
    if isinstance(error, HangupException) and not error.stderr_lines:
        return SourceUnavailable(f"{where} hung up (is there such a repository?)")
    return SourceUnavailable(f"{where} does not answer: {text}")


def _write_out(repo: Repo, commit: ObjectID, source: Source, target: Path) -> None:
    tree = _tree(repo, commit, source)
    build_index_from_tree(str(target), repo.index_path(), repo.object_store, tree)


def _tree(repo: Repo, commit: ObjectID, source: Source) -> ObjectID:
    found = repo[commit]
    assert isinstance(found, Commit), "the tip of a branch is a commit"
    subdir = subdir_of(source)
    return _subtree(repo, found.tree, subdir, source) if subdir else found.tree


def _subtree(repo: Repo, tree: ObjectID, subdir: str, source: Source) -> ObjectID:
    try:
        mode, found = tree_lookup_path(repo.object_store.__getitem__, tree, subdir.encode())
    except (KeyError, NotTreeError):
        mode, found = 0, None
    if found is None or not stat.S_ISDIR(mode):
        entries = repo[tree].items()  # type: ignore[attr-defined]  # a tree, which has them
        folders = [entry.path.decode() for entry in entries if stat.S_ISDIR(entry.mode)]
        raise SourceRefused(
            f"{redact(source.repo or '')} has no folder {subdir!r} in branch "
            f"{source.branch!r}: {_listed(folders)}"
        )
    return found


def _local(source: Source) -> Path:
    assert source.path is not None, "a remote is no folder"
    folder = Path(source.path, subdir_of(source))
    if not folder.is_dir():
        raise SourceRefused(f"there is no folder {str(folder)!r}")
    return folder


def _digest(folder: Path) -> str:
    """Of paths, kinds, executable bits and contents; a `.git` in it does not count."""
    digest = hashlib.sha256()
    try:
        for path in sorted(folder.rglob("*")):
            relative = path.relative_to(folder)
            if ".git" not in relative.parts:
                digest.update(_entry(path, relative))
    except OSError as error:
        raise SourceUnavailable(f"{str(folder)!r} cannot be read: {error.strerror}") from error
    return digest.hexdigest()


def _entry(path: Path, relative: Path) -> bytes:
    kind, content = b"other", b""
    if path.is_symlink():
        kind, content = b"link", bytes(path.readlink())
    elif path.is_dir():
        kind = b"folder"
    elif path.is_file():
        kind = b"program" if path.stat().st_mode & stat.S_IXUSR else b"file"
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").digest()
    return b"\0".join((bytes(relative), kind, content)) + b"\n"


def _listed(names: list[str]) -> str:
    if not names:
        return "it has none"
    shown = ", ".join(sorted(names)[:_SHOWN])
    more = len(names) - _SHOWN
    return f"it has {shown}" + (f" and {more} more" if more > 0 else "")
