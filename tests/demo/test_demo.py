"""`make demo`, as somebody would run it: on the engine of the rig, which stands for one that is there."""

import os
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from rig.engine import Engine

DEMO = Path(__file__).resolve().parents[2] / "examples" / "demo"
PATIENCE_S = 420
SCENES = 12

pytestmark = pytest.mark.timeout(2 * PATIENCE_S)


@pytest.fixture(autouse=True)
def _nothing_left(docker_client: docker.DockerClient, base_image: str) -> Iterator[None]:
    """Whatever way it ends, the engine has nothing afterwards that it had not before. (What others
    left there may go meanwhile.)"""
    assert base_image
    before = _on(docker_client)
    yield
    assert _on(docker_client) <= before


def test_every_scene_ends_as_it_should_and_all_of_it_can_stay_up(engine: Engine) -> None:
    """Exit 0 with the table; with KEEP=1 the backend is still there, until DOWN takes it down."""
    shown = _demo(engine, KEEP="1")
    try:
        assert shown.returncode == 0, shown.stdout + shown.stderr
        assert f"{SCENES} of {SCENES} scenes ended as they should" in shown.stdout
        assert _row(shown.stdout, "a burst of installs") == "1 rebuild by swap succeeded"
        assert _row(shown.stdout, "a module that does not build") == "4 rebuild by swap failed"
        assert _url(shown.stdout)
        status = _play(shown.stdout, "status")
    finally:
        down = _demo(engine, DOWN=_name(shown.stdout))

    assert "in_step" in status
    assert down.returncode == 0, down.stdout + down.stderr
    with pytest.raises(OSError, match="refused"):
        _url(shown.stdout)


def test_an_interrupted_demo_takes_everything_down(engine: Engine) -> None:
    """Ctrl-C in the middle of a rebuild: exit 130, and no process or container is left."""
    with subprocess.Popen(
        [sys.executable, DEMO], env=_environment(engine), stdout=subprocess.PIPE, text=True
    ) as demo:
        assert demo.stdout is not None
        alarm = threading.Timer(PATIENCE_S, demo.kill)
        alarm.start()
        shown = ""
        for line in demo.stdout:
            shown += line
            if "start the canary" in line:
                demo.send_signal(signal.SIGINT)
        alarm.cancel()
    assert demo.returncode == 130
    assert _processes(_name(shown)) == []


def _demo(engine: Engine, **wishes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, DEMO],
        env=_environment(engine) | wishes,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def _environment(engine: Engine) -> dict[str, str]:
    return os.environ | {"DOCKER_HOST": engine.host, "KEEP": "", "DOWN": ""}


def _on(client: docker.DockerClient) -> set[str]:
    containers = client.containers.list(all=True, ignore_removed=True)
    images = client.images.list(all=True)
    return {str(each.id) for each in (*containers, *images)}


def _row(shown: str, scene: str) -> str:
    """The deployment of a scene and its result, as the table has them."""
    line = next(line for line in shown.splitlines() if line.startswith(f" {scene}  "))
    return " ".join(line.removeprefix(f" {scene}").split()[:5])


def _url(shown: str) -> str:
    found = re.search(r"curl (\S+)", shown)
    assert found
    with urllib.request.urlopen(found[1], timeout=10) as answer:  # noqa: S310 - what we started
        text: str = answer.read().decode()
    return text


def _play(shown: str, command: str) -> str:
    found = re.search(rf"\S+ {command} --config \S+", shown)
    assert found
    return subprocess.run(found[0].split(), capture_output=True, text=True, check=True).stdout


def _name(shown: str) -> str:
    found = re.search(r"Backend: (demo-[0-9a-f]+)-backend", shown)
    assert found, shown
    return found[1]


def _processes(name: str) -> list[str]:
    """Whatever still runs with that demo's settings."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (process / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if f"refitd-{name}-" in arguments:
            found.append(arguments)
    return found
