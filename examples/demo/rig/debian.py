"""Programs that this machine lacks, from Debian's packages: said first, asked where one can."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rig.missing import MissingPart
from rig.turns import one_at_a_time

_POLICY = Path("/usr/sbin/policy-rc.d")
_TERMINAL = Path("/dev/tty")


def need(program: str, *packages: str, why: str) -> str:
    """The path of a program, installed with these packages where it is not there yet."""
    if found := find(program):
        return found
    install(*packages, why=why)
    if found := find(program):
        return found
    raise MissingPart(f"{why}: {' '.join(packages)} is installed, but {program} is not there")


def find(program: str) -> str | None:
    """Where a program is; `sbin` is looked at too, which many a PATH leaves out."""
    return shutil.which(program, path=search_path())


def search_path() -> str:
    """PATH with every `sbin` on it."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin:/usr/sbin:/sbin"])


def install(*packages: str, why: str) -> None:
    """Installs Debian packages, on Debian and its kin and as root; else says what to install."""
    names = " ".join(packages)
    if not find("apt-get"):
        raise MissingPart(f"{why}: please install {names} (by the names that Debian gives them)")
    if os.geteuid() != 0:
        raise MissingPart(f"{why}: please install it with `sudo apt-get install {names}`")
    # It does not wait for another's lock; two that the rig runs side by side do.
    with one_at_a_time("apt"), _no_service_started():
        _say_and_ask(f"{why}: installing Debian's {names}")
        _apt_get("update")
        _apt_get("install", "--yes", "--no-install-recommends", *packages)


def _say_and_ask(what: str) -> None:
    print(what, file=sys.stderr, flush=True)
    if _answer("Go on? [Y/n] ") not in {"", "y", "yes"}:
        raise MissingPart(f"{what}: not wanted")


def _answer(question: str) -> str:
    """By the terminal itself, which is not the stdin of all that the rig is used by; empty where
    there is none that can answer."""
    try:
        with _TERMINAL.open() as answers, _TERMINAL.open("w") as questions:
            if os.tcgetpgrp(answers.fileno()) != os.getpgrp():
                return ""  # in the background
            print(question, end="", file=questions, flush=True)
            return answers.readline().strip().lower()
    except OSError:
        return ""


def _apt_get(*words: str) -> None:
    done = subprocess.run(
        ["apt-get", "--quiet=2", *words],
        env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise MissingPart(f"`apt-get {' '.join(words)}` failed:\n{done.stdout.strip()}")


@contextmanager
def _no_service_started() -> Iterator[None]:
    """Debian starts what it installs, unless this program says no; the rig starts its own."""
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink()
