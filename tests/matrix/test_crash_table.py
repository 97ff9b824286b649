"""One cell for each row of the crash table and strategy; `make matrix` plays them all.

The rows are those of "killed after" in the module docstring of `refitd.core.rollout`'s crash
tests: build, create, start, names bound late, cut off for that, the restart policies of both, the
stop of the old one, the renames, the tag, its removal. At each the engine has done what it was
asked to, and the daemon dies before it hears so.
"""

from __future__ import annotations

import pytest

from tests.matrix.cells import Call, Cell, Fault
from tests.matrix.conftest import Player
from tests.matrix.scenes import SCENES

BUILD = Call("POST", "/build?*")
CREATE_CANARY = Call("POST", "/containers/create?*-canary-*")
CREATE_SUCCESSOR = Call("POST", "/containers/create?*-successor-*")
START = Call("POST", "/containers/*/start")
START_NEXT = Call("POST", "/containers/*/start", 1)
DISCONNECT = Call("POST", "/networks/*/disconnect")
CONNECT = Call("POST", "/networks/*/connect")
STOP = Call("POST", "/containers/*/stop*")
RENAME_OLD = Call("POST", "/containers/*/rename*")
RENAME_NEW = Call("POST", "/containers/*/rename*", 1)
RESTART = Call("POST", "/containers/*/restart*")
TAG = Call("POST", "/images/*/tag*")
RETIRE = Call("DELETE", "/containers/*")

SWAP = {
    "build": BUILD,
    "create the canary": CREATE_CANARY,
    "start the canary": START,
    "create": CREATE_SUCCESSOR,
    "old stopped": STOP,
    "start": START_NEXT,
    "new policy": Call("POST", "/containers/*/update", 1),
    "old policy": Call("POST", "/containers/*/update", 2),
    "rename the old": RENAME_OLD,
    "rename the new": RENAME_NEW,
    "tag": TAG,
    "retire": Call("DELETE", "/containers/*", 1),
}
OVERLAP = {
    "build": BUILD,
    "create": CREATE_SUCCESSOR,
    "start": START,
    "disconnect": DISCONNECT,
    "connect": CONNECT,
    "new policy": Call("POST", "/containers/*/update"),
    "old policy": Call("POST", "/containers/*/update", 1),
    "old stopped": STOP,
    "rename the old": RENAME_OLD,
    "rename the new": RENAME_NEW,
    "tag": TAG,
    "retire": RETIRE,
}
RESTARTED = {
    "create the canary": CREATE_CANARY,
    "start the canary": START,
    "remove the canary": RETIRE,
    "restart": RESTART,
}
#: Who else may die, at the moments at which nothing serves.
OTHERS: tuple[tuple[str, Call, Fault], ...] = (
    ("swap", STOP, "daemon, without Postgres"),
    ("swap", STOP, "engine"),
    ("swap", STOP, "machine"),
    ("overlap", STOP, "engine"),
    ("restart", RESTART, "engine"),
    ("restart", RESTART, "daemon, without Postgres"),
    ("back from the successor", START, "daemon"),
    ("back from the successor", START, "daemon, without Postgres"),
    ("back from the successor", START_NEXT, "daemon"),
    ("back from overlap", START, "daemon"),
    ("back from the canary", START, "daemon"),
    ("back from the restart", START, "daemon"),
    ("back in the watch window", Call("POST", "/containers/*/start", 2), "daemon"),
)

scenes = {scene.name: scene for scene in SCENES}


@pytest.mark.parametrize(
    "name, call",
    [
        pytest.param(name, call, id=f"{name}: {row}")
        for name, rows in (("swap", SWAP), ("overlap", OVERLAP), ("restart", RESTARTED))
        for row, call in rows.items()
    ],
)
def test_row(name: str, call: Call, play: Player) -> None:
    """SIGKILL between the engine's deed and its answer; the next start comes out where a daemon
    that nobody killed would."""
    assert play(Cell(scenes[name], "daemon", call, "done")) is not None


@pytest.mark.parametrize(
    "name, call, fault", OTHERS, ids=[f"{name}: {call}: {fault}" for name, call, fault in OTHERS]
)
def test_others(name: str, call: Call, fault: Fault, play: Player) -> None:
    """On the ways back, without Postgres, with the engine killed, and with the whole machine."""
    assert play(Cell(scenes[name], fault, call, "done")) is not None
