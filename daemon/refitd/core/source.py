"""Rules for a build source: which URLs are used, and what the engine can be told to fetch.

Git knows transports that run commands or read local files (`ext::`, `file://`, a bare path),
and a URL from a settings file is handed to the engine as well as to our own client. So only
https, http, ssh and git are taken, and the two without any protection only from this machine
or where the settings say `insecure = true`.
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import PurePosixPath
from urllib.parse import SplitResult, urlsplit

from refitd.core.redact import redact
from refitd.core.target import Source
from refitd.errors import SourceRefused

_SCHEMES = ("https", "http", "ssh", "git")
_UNPROTECTED = ("http", "git")
#: `git@host:path`, as ssh has it. No slash before the colon, else it were a folder.
_SCP_LIKE = re.compile(r"[\w.-]+@[\w.-]+:[^:\s]+\Z")
_BRANCH = re.compile(r"(?!-)[^\s~^:?*\[\\\x00-\x1f\x7f]+\Z")
#: What has a meaning in `repo#commit:subdir`, and what never belongs into a URL or path.
_UNFIT = re.compile(r"[\s#\x00-\x1f\x7f]")


def check_source(source: Source) -> None:
    """Raise SourceRefused where the source must not or cannot be used."""
    if (source.repo is None) == (source.path is None):
        raise SourceRefused(
            "a source is either a git `repo` or a local `path`, exactly one of them"
        )
    subdir_of(source)
    if source.repo is None:
        return
    if not _BRANCH.match(source.branch) or ".." in source.branch:
        raise SourceRefused(f"{source.branch!r} is no name of a branch")
    _check_repo(source.repo, insecure=source.insecure)


def remote_context(source: Source, commit: str) -> str | None:
    """`repo#commit:subdir` where the engine can fetch it, None where the daemon must.

    One with a user part in an http URL is ours to fetch: the engine would log it.
    """
    repo = source.repo
    assert repo is not None, "a local folder has no remote"
    check_source(source)
    if not repo.startswith("git@"):
        url = urlsplit(repo)
        over_http = url.scheme in ("http", "https")
        fetched_by_engine = url.path.endswith(".git") and url.username is None
        if url.scheme != "git" and not (over_http and fetched_by_engine):
            return None
    subdir = subdir_of(source)
    return f"{repo}#{commit}:{subdir}" if subdir else f"{repo}#{commit}"


def subdir_of(source: Source) -> str:
    """The folder inside the source, in its plainest form: `backend`, or empty for all of it.

    >>> subdir_of(Source(repo="x", subdir="./panel/backend/"))
    'panel/backend'
    """
    path = PurePosixPath(source.subdir)
    if path.is_absolute() or ".." in path.parts or _UNFIT.search(source.subdir) or ":" in str(path):
        raise SourceRefused(
            f"subdir {source.subdir!r} is refused: it must be a path inside the source, "
            "relative and without `..`, `#`, `:` or spaces"
        )
    return "" if str(path) == "." else str(path)


def _check_repo(repo: str, *, insecure: bool) -> None:
    shown = redact(repo)
    if _UNFIT.search(repo):
        raise SourceRefused(f"{shown!r} is no git URL: it has a space or a # in it")
    if _SCP_LIKE.match(repo):
        return
    url = _split(repo)
    if url.scheme not in _SCHEMES:
        raise SourceRefused(
            f"{shown!r} is refused: only https, http, ssh (also git@host:path) and git are used"
        )
    if not url.hostname or not url.path.strip("/"):
        raise SourceRefused(f"{shown!r} is no git URL: it lacks a host or a path")
    if url.scheme in _UNPROTECTED and not insecure and not _is_loopback(url.hostname):
        raise SourceRefused(
            f"{shown!r} is refused: anyone on the way could change what is built; "
            "use https or ssh, or set insecure = true"
        )


def _split(repo: str) -> SplitResult:
    try:
        url = urlsplit(repo)
        _ = url.port  # a bad one shows only when asked for
    except ValueError as error:
        raise SourceRefused(f"{redact(repo)!r} is no git URL: {error}") from error
    return url


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
