"""`gen-modules` as a command: exit codes, the file it writes, and the files it leaves alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from refitd import gen_modules
from refitd.gen_modules import main


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, with no MODULES about."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MODULES", raising=False)
    return tmp_path


def test_the_environment_says_which_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    """The build argument arrives as MODULES; the file has the name backends import."""
    monkeypatch.setenv("MODULES", "billing,audit")
    assert main(["--language", "python"]) == 0
    assert "import modules.audit\nimport modules.billing\n" in Path(
        "registered_modules.py"
    ).read_text(encoding="utf-8")


def test_the_option_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--modules ''` is an answer: none."""
    monkeypatch.setenv("MODULES", "billing")
    assert main(["--language", "go", "--import-prefix", "a/b", "--modules", ""]) == 0
    assert "billing" not in Path("registered_modules.go").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "arguments, says",
    [
        (["--language", "python"], "MODULES is not set"),
        (["--language", "python", "--modules", "a b"], "'a b'"),
        (["--language", "python", "--modules", "a-b,a.b"], "'a-b' and 'a.b'"),
        (["--language", "go", "--modules", ""], "--import-prefix"),
        (["--language", "python", "--modules", "", "--import-prefix", "a"], "--import-prefix"),
        (["--language", "go", "--modules", "", "--package", "a"], "--package"),
        (["--template", "absent", "--modules", "", "--output", "out"], "absent"),
        (["--language", "python", "--modules", "", "--output", "absent/out"], "absent"),
    ],
)
def test_what_is_refused_is_named_and_writes_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    """Exit code 2, a reason, and not a file."""
    assert main(arguments) == 2
    assert says in capsys.readouterr().err
    assert list(folder.iterdir()) == []


def test_a_template_needs_an_output(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody but the user knows what the file should be called."""
    (folder / "registry.tmpl").write_text("$id\n")
    assert main(["--template", "registry.tmpl", "--modules", "audit"]) == 2
    assert "--output" in capsys.readouterr().err
    assert main(["--template", "registry.tmpl", "--modules", "audit", "--output", "out"]) == 0
    assert (folder / "out").read_text(encoding="utf-8") == "audit\n"


def test_a_refusal_leaves_the_old_file(folder: Path) -> None:
    """A registry that was right is not traded for nothing."""
    (folder / "registered_modules.py").write_text("precious")
    assert main(["--language", "python", "--modules", "a b"]) == 2
    assert (folder / "registered_modules.py").read_text(encoding="utf-8") == "precious"


def test_a_file_that_is_right_is_left_alone(folder: Path) -> None:
    """Its timestamp stays, so that nothing that depends on it is made again."""
    main(["--language", "python", "--modules", "b,a"])
    os.utime(folder / "registered_modules.py", (1, 1))
    assert main(["--language", "python", "--modules", "a,b"]) == 0
    assert (folder / "registered_modules.py").stat().st_mtime == 1
    assert main(["--language", "python", "--modules", "a"]) == 0
    assert (folder / "registered_modules.py").stat().st_mtime != 1
    assert [path.name for path in folder.iterdir()] == ["registered_modules.py"]


def test_others_may_read_the_file(folder: Path) -> None:
    """In an image, the backend seldom runs as the user that built it."""
    before = os.umask(0o022)
    try:
        main(["--language", "python", "--modules", ""])
    finally:
        os.umask(before)
    assert (folder / "registered_modules.py").stat().st_mode & 0o777 == 0o644


def test_check_writes_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1 for a file that is missing or different, 0 for the right one."""
    check = ["--language", "python", "--modules", "audit", "--check"]
    assert main(check) == 1
    assert "not up to date" in capsys.readouterr().err
    assert list(folder.iterdir()) == []
    main(check[:-1])
    assert main(check) == 0


def test_the_one_file_is_enough(folder: Path) -> None:
    """Copied into an image by itself, it runs where nothing is installed."""
    shutil.copy(gen_modules.__file__, folder / "gen_modules.py")
    alone = [sys.executable, "-I", "-S", "gen_modules.py", "--language", "python"]
    done = subprocess.run([*alone, "--modules", "audit"], cwd=folder, check=False)
    assert done.returncode == 0
    assert (folder / "registered_modules.py").exists()
