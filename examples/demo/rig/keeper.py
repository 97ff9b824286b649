"""The program that keeps one server for us, and clears up after it when we are gone.

    python keeper.py '{"argv": [...], "log": "...", ...}'

It reads orders from its standard input, a line each, and answers each with a line:

    start           starts the server                     -> its pid
    stop SIGNAL     stops it, and leaves its data         -> its exit code
    crash           kills it and all that it has started  -> ok
    leave           from now on outlives whoever asked    -> ok

Once the input ends (we closed it, or we died: the kernel closes it for us, even after SIGKILL),
or on SIGTERM, it stops the server, kills what the server left behind, and removes the folders,
mounts and network links that were named to it. There is no other way to clear up, so the way
that a killed test run takes is the way that every run takes.

As a *subreaper* it inherits every orphan below it: no engine can hide a container from it.
It knows the standard library only, and starts in a few hundredths of a second.
"""

import ctypes
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

_LIBC = ctypes.CDLL(None, use_errno=True)
_MNT_DETACH = 2
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


class Keeper:
    """One server, and all that descends from it."""

    def __init__(self, orders: dict[str, Any]) -> None:
        self.argv: list[str] = orders["argv"]
        self.env: dict[str, str] = orders["env"]
        self.user: str | None = orders["user"]
        self.stop_signal = signal.Signals(orders["stop_signal"])
        self.patience_s: float = orders["patience_s"]
        self.remove = [Path(folder) for folder in orders["remove"]]
        self.afterwards: list[list[str]] = orders["afterwards"]
        self.log = Path(orders["log"]).open("ab")  # noqa: SIM115 - open as long as the process is
        self.pid: int | None = None
        self.exit_codes: dict[int, int] = {}

    def start(self) -> int:
        """Starts the server, as the user it is to run as."""
        server = subprocess.Popen(
            self.argv,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            cwd="/",
            user=self.user,
            group=None if self.user is None else pwd.getpwnam(self.user).pw_gid,
            extra_groups=None if self.user is None else [],
            process_group=0,
            preexec_fn=self._die_with_keeper,  # noqa: PLW1509 - there are no threads here
        )
        self.pid = server.pid
        return server.pid

    def stop(self, number: signal.Signals) -> int:
        """Signals the server and waits; kills it when its time is over."""
        if self.pid is None:
            return 0
        for insisting in (number, signal.SIGKILL):
            self._signal(insisting)
            if self._ended(self.pid):
                break
        code = self.exit_codes.pop(self.pid, 0)
        self.pid = None
        return code

    def crash(self) -> None:
        """What a power cut does."""
        if self.pid is not None:
            self._signal(signal.SIGKILL)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        kill_descendants()
        signal.signal(signal.SIGCHLD, self.reap)
        self.pid = None

    def clear_up(self) -> None:
        """Takes away the server and all that it left behind."""
        self.stop(self.stop_signal)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        kill_descendants()
        for command in self.afterwards:
            subprocess.run(command, check=False, stdout=self.log, stderr=self.log)
        for folder in self.remove:
            unmount_below(folder)
            shutil.rmtree(folder, ignore_errors=True)

    def reap(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        """Takes note of every child that ended, adopted orphans too."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self.exit_codes[pid] = os.waitstatus_to_exitcode(status)

    def _signal(self, number: signal.Signals) -> None:
        assert self.pid is not None
        if self.pid not in self.exit_codes:
            os.kill(self.pid, number)

    def _ended(self, pid: int) -> bool:
        deadline = time.monotonic() + self.patience_s
        while pid not in self.exit_codes and time.monotonic() < deadline:
            time.sleep(0.02)
        return pid in self.exit_codes

    def _die_with_keeper(self) -> None:
        # Runs in the child, after it changed its user (which would unset this).
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(self.stop_signal))


def kill_descendants() -> None:
    """Kills generation after generation: the children of the killed become ours."""
    while True:
        for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def unmount_below(folder: Path) -> None:
    """Unmounts what an engine left mounted, the innermost first."""
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for mount in sorted(mounts, reverse=True):
        if Path(mount).is_relative_to(folder):
            _LIBC.umount2(os.fsencode(mount), _MNT_DETACH)


def obey(keeper: Keeper) -> None:
    """Takes orders until there can be no more."""
    for line in sys.stdin:
        match line.split():
            case ["start"]:
                answer = str(keeper.start())
            case ["stop", name]:
                answer = str(keeper.stop(signal.Signals[name]))
            case ["crash"]:
                keeper.crash()
                answer = "ok"
            case ["leave"]:
                answer = "ok"
            case _:
                raise AssertionError(line)
        print(answer, flush=True)
        if line.strip() == "leave":
            while True:
                signal.pause()


def main() -> None:
    """Keeps the server described by the argument until the input ends or SIGTERM arrives."""
    _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1)
    keeper = Keeper(json.loads(sys.argv[1]))
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(ignored, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, keeper.reap)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        obey(keeper)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        keeper.clear_up()


if __name__ == "__main__":
    main()
