"""Which sources are used, and what the engine is told to fetch."""

from __future__ import annotations

import pytest

from refitd.core.source import check_source, remote_context, subdir_of
from refitd.core.target import Source
from refitd.errors import SourceRefused

COMMIT = "c" * 40


@pytest.mark.parametrize(
    "repo",
    [
        "https://git.example.org/panel/core.git",
        "https://git.example.org:8443/panel/core",
        "ssh://git@git.example.org/panel/core.git",
        "git@git.example.org:panel/core.git",
        "git://127.0.0.1/core.git",
        "git://[::1]:9418/core.git",
        "http://localhost:3000/core.git",
    ],
)
def test_used(repo: str) -> None:
    """https and ssh are used, and unprotected transports from this machine."""
    check_source(Source(repo=repo))


@pytest.mark.parametrize(
    "repo",
    [
        "ext::sh -c touch% /tmp/x",
        "ext::sh",
        "file:///srv/core.git",
        "/srv/core.git",
        "../core.git",
        "-uploadpack=x",
        "ftp://git.example.org/core.git",
        "https://",
        "https://git.example.org",
        "https://git.example.org:port/core.git",
        "https://git.example.org/core.git#main",
        "https://git.example.org/co re.git",
        "git@git.example.org:core.git\n--upload-pack=x",
        "",
    ],
)
def test_refused(repo: str) -> None:
    """Other transports, paths, and what is no URL are refused."""
    with pytest.raises(SourceRefused):
        check_source(Source(repo=repo))


@pytest.mark.parametrize("scheme", ["http", "git"])
def test_unprotected_beyond_this_machine(scheme: str) -> None:
    """http and git beyond loopback are used only where the settings say so."""
    repo = f"{scheme}://git.example.org/core.git"
    with pytest.raises(SourceRefused, match="insecure = true"):
        check_source(Source(repo=repo))
    check_source(Source(repo=repo, insecure=True))


def test_either_repo_or_path() -> None:
    """A source is a git remote or a folder, not both and not neither."""
    for source in (Source(), Source(repo="https://x.org/y.git", path="/srv/core")):
        with pytest.raises(SourceRefused, match="exactly one"):
            check_source(source)
    check_source(Source(path="/srv/core"))


def test_no_credentials_in_messages() -> None:
    """A refusal shows the URL without its password or token."""
    with pytest.raises(SourceRefused) as refused:
        check_source(Source(repo="ftp://joe:hunter2@git.example.org/core.git"))
    assert "hunter2" not in str(refused.value)
    assert "git.example.org" in str(refused.value)


@pytest.mark.parametrize("branch", ["", "-x", "a b", "a..b", "a:b", "a\n", "a~1"])
def test_branch(branch: str) -> None:
    """What cannot be a branch is refused by name."""
    with pytest.raises(SourceRefused, match="branch"):
        check_source(Source(repo="https://x.org/y.git", branch=branch))


@pytest.mark.parametrize("subdir", ["/etc", "..", "a/../b", "a:b", "a#b", "a b", "a\n"])
def test_subdir_refused(subdir: str) -> None:
    """A subdir stays inside the source, and fits into a context URL."""
    with pytest.raises(SourceRefused, match="subdir"):
        check_source(Source(repo="https://x.org/y.git", subdir=subdir))


@pytest.mark.parametrize(
    "subdir,plain", [("", ""), (".", ""), ("./a//b/", "a/b"), ("backend", "backend")]
)
def test_subdir_in_its_plainest_form(subdir: str, plain: str) -> None:
    """However it is written, the same folder is the same text."""
    assert subdir_of(Source(path="/x", subdir=subdir)) == plain


@pytest.mark.parametrize(
    "repo",
    [
        "https://git.example.org/core.git",
        "git@git.example.org:core",
        "git://127.0.0.1:9418/core",
        "http://127.0.0.1/core.git",
    ],
)
def test_fetched_by_the_engine(repo: str) -> None:
    """The engine gets `repo#commit:subdir` where it understands the URL."""
    assert remote_context(Source(repo=repo, subdir="a/b"), COMMIT) == f"{repo}#{COMMIT}:a/b"
    assert remote_context(Source(repo=repo), COMMIT) == f"{repo}#{COMMIT}"


@pytest.mark.parametrize(
    "repo",
    [
        "https://git.example.org/core",
        "ssh://git@git.example.org/core.git",
        "joe@git.example.org:core.git",
        "https://token@git.example.org/core.git",
    ],
)
def test_fetched_by_the_daemon(repo: str) -> None:
    """Other URLs are cloned here, and those with a secret, which the engine would log."""
    assert remote_context(Source(repo=repo), COMMIT) is None
