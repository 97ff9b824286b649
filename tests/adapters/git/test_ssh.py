"""Commits and folders over ssh, from a real server: `ssh://` and `user@host:path`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from refitd.adapters.git import DulwichGit
from refitd.core.target import Source
from refitd.errors import SourceRefused
from rig.git import Repository
from rig.sshd import SshServer


def with_scheme(server: SshServer, repository: Repository) -> str:
    """As a URL."""
    return server.url(repository.bare)


def as_scp_has_it(server: SshServer, repository: Repository) -> str:
    """As most people write it, `git@git.example.org:panel/core.git`."""
    return f"{server.user}@{server.host}:{repository.bare}"


FORMS = [with_scheme, as_scp_has_it]
Form = Callable[[SshServer, Repository], str]


@pytest.mark.parametrize("form", FORMS)
def test_over_ssh(
    ssh_server: SshServer, repository: Repository, monkeypatch: pytest.MonkeyPatch, form: Form
) -> None:
    """A branch is resolved, its folder looked for and fetched, as from any other remote."""
    monkeypatch.setenv("GIT_SSH_COMMAND", ssh_server.command())
    remote = DulwichGit(patience_s=10)
    commit = repository.commit({"backend/word": "first"})
    source = Source(repo=form(ssh_server, repository), subdir="backend")
    assert remote.commit(source) == commit
    remote.check_subdir(source, commit)
    with remote.checkout(source, commit) as folder:
        assert Path(folder, "word").read_text() == "first"
    with pytest.raises(SourceRefused, match="it has backend"):
        remote.check_subdir(Source(repo=source.repo, subdir="backnd"), commit)


@pytest.mark.parametrize(
    "command, words",
    [({"key": "stranger"}, "Permission denied"), ({"known": False}, "verification failed")],
    ids=["a stranger's key", "an unknown host"],
)
@pytest.mark.parametrize("form", FORMS)
def test_refused_over_ssh(
    ssh_server: SshServer,
    repository: Repository,
    monkeypatch: pytest.MonkeyPatch,
    form: Form,
    command: dict[str, bool | str],
    words: str,
) -> None:
    """A key that is not let in, and a server that nobody vouches for, are for a person to mend."""
    monkeypatch.setenv("GIT_SSH_COMMAND", ssh_server.command(**command))  # type: ignore[arg-type]
    repository.commit({"a": "1"})
    with pytest.raises(SourceRefused, match=words):
        DulwichGit(patience_s=10).commit(Source(repo=form(ssh_server, repository)))


def test_missing_repository_over_ssh(
    ssh_server: SshServer, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path at which no repository is, is said."""
    monkeypatch.setenv("GIT_SSH_COMMAND", ssh_server.command())
    nowhere = ssh_server.url(repository.bare.with_name("nowhere.git"))
    with pytest.raises(SourceRefused, match=r"nowhere\.git"):
        DulwichGit(patience_s=10).commit(Source(repo=nowhere))
