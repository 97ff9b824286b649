"""No server of the rig outlives whoever asked for it."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import rig
from rig.child import Child, Traces

DEMO = Path(rig.__file__).parent.parent

# Starts a server with an orphan (which has a session of its own), says who is who, and hangs.
_ASKER = """
import sys, time
from pathlib import Path
from rig.child import Child, Traces

folder = Path(sys.argv[1])
script = f"setsid sh -c 'echo $$ > {folder}/orphan; exec sleep 1000' & exec sleep 1000"
with Child(["sh", "-c", script], log=folder / "log", traces=Traces([folder])) as child:
    while not (folder / "orphan").exists() or not (folder / "orphan").read_text():
        time.sleep(0.01)
    print(child._keeper.pid, child.pid, (folder / "orphan").read_text(), flush=True)
    time.sleep(1000)
"""


def _alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def _ended(pid: int, within_s: float = 20.0) -> bool:
    """Waits for the end of a process that need not be our child."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], within_s)[0])
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_server_goes_with_the_one_who_asked(tmp_path: Path, number: signal.Signals) -> None:
    """However its asker dies, the server, its orphans and its folder go."""
    folder = tmp_path / "server"
    folder.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", _ASKER, str(folder)],
        env=os.environ | {"PYTHONPATH": str(DEMO)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as asker:
        assert asker.stdout is not None
        keeper, server, orphan = map(int, asker.stdout.readline().split())
        asker.send_signal(number)
    assert _ended(keeper)
    assert not _alive(server)
    assert not _alive(orphan)
    assert not folder.exists()


def test_a_server_can_be_stopped_and_started(tmp_path: Path) -> None:
    """Between a stop and a start the data stays; the exit code is told."""
    with Child(["sleep", "1000"], log=tmp_path / "log") as child:
        first = child.pid
        assert child.running()
        assert child.stop(signal.SIGKILL) == -signal.SIGKILL
        assert not child.running()
        child.start()
        assert child.running()
        assert child.pid != first


def test_a_server_crashes_with_all_that_it_started(tmp_path: Path) -> None:
    """As in a power cut: its orphans go too, its data stays, and it can be started again."""
    orphan = tmp_path / "orphan"
    script = f"setsid sh -c 'echo $$ > {orphan}; exec sleep 1000' & exec sleep 1000"
    with Child(["sh", "-c", script], log=tmp_path / "log") as child:
        server = child.pid
        while not orphan.exists() or not orphan.read_text():
            assert child.running()
        child.crash()
        assert server is not None
        assert not _alive(server)
        assert not _alive(int(orphan.read_text()))
        child.start()
        assert child.running()


def test_a_server_that_is_left_runs_on(tmp_path: Path) -> None:
    """One that was left outlives us, until SIGTERM to the pid we were told."""
    folder = tmp_path / "server"
    folder.mkdir()
    with Child(["sleep", "1000"], log=folder / "log", traces=Traces([folder])) as child:
        server = child.pid
        keeper = child.leave()
    assert server is not None
    assert _alive(server)
    os.kill(keeper, signal.SIGTERM)
    assert _ended(keeper)
    assert not _alive(server)
    assert not folder.exists()


def test_a_server_that_refuses_to_stop_is_killed(tmp_path: Path) -> None:
    """When its patience is over, the keeper kills."""
    deaf = ["sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 0.1; done"]
    with Child(deaf, log=tmp_path / "log", patience_s=0.3) as child:
        while not child.last_words():
            assert child.running()
        assert child.stop() == -signal.SIGKILL


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A server that cannot be started is an error with the reason in it."""
    with (
        pytest.raises(RuntimeError, match="no-such-program"),
        Child(["no-such-program"], log=tmp_path / "log"),
    ):
        pass
