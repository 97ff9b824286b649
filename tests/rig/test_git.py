"""The git server serves what a test commits."""

from pathlib import Path

import pytest

from rig.git import Repository, git


def _advertised(repository: Repository, branch: str) -> str:
    line = git("ls-remote", repository.url, f"refs/heads/{branch}", cwd=Path("/"))
    return line.split("\t")[0]


def test_a_commit_is_served(repository: Repository) -> None:
    """The branch on the wire is at the commit that was just made."""
    first = repository.commit({"backend/Dockerfile": "FROM scratch\n"})
    assert _advertised(repository, "main") == first
    second = repository.commit({"backend/Dockerfile": None, "README": "Nothing left.\n"})
    assert _advertised(repository, "main") == second == repository.head()


def test_branches_go_their_own_ways(repository: Repository) -> None:
    """A commit on one branch moves no other."""
    main = repository.commit({"which": "main\n"})
    other = repository.commit({"which": "other\n"}, branch="other")
    assert _advertised(repository, "main") == main
    assert _advertised(repository, "other") == other
    repository.delete_branch("other")
    assert _advertised(repository, "other") == ""


def test_a_folder_is_copied(repository: Repository, tmp_path: Path) -> None:
    """A folder of this project becomes a folder of the repository."""
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    commit = repository.commit_folder(tmp_path, at="backend")
    assert git("show", f"{commit}:backend/Dockerfile", cwd=repository.bare) == "FROM scratch"


def test_what_git_refuses_is_told() -> None:
    """A failed git command raises its own words."""
    with pytest.raises(RuntimeError, match="not a git repository"):
        git("log", cwd=Path("/"))
