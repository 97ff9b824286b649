"""`make demo`: the main job of refitd on real parts, live, with requests running all the while.

    make demo           shows it, checks every end, and leaves nothing behind
    make demo KEEP=1    leaves everything up, and says how to play with it
    make demo DOWN=1    takes down what KEEP=1 has left (or by name: DOWN=demo-1a2b)

Exit codes: 0 where everything ended as it should, 1 where something did not, 130 after Ctrl-C.
"""

import os
import signal
import sys
from contextlib import ExitStack

import left
import table
from invitation import invite
from load import Load
from play import Play
from rig.missing import MissingPart
from scenes import SCENES
from stage import Stage
from view import View

INTERRUPTED = 130


def main() -> int:
    """Show all scenes and say how they ended."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with View() as view:
        try:
            return left.take_down(_asked_for("DOWN"), view) if _asked_for("DOWN") else _demo(view)
        except MissingPart as missing:
            view.trouble(str(missing))
            return 1
        except KeyboardInterrupt:
            view.trouble("interrupted; everything has been taken down")
            return INTERRUPTED


def _demo(view: View) -> int:
    with Stage(view) as stage:
        with ExitStack() as running:
            loads = {
                target.name: running.enter_context(Load(target.url)) for target in stage.targets
            }
            view.count(list(loads.values()))
            play = Play(stage, loads, view)
            play.run(SCENES)
        view.close()
        table.show(view, play.acts, list(loads.values()))
        if _asked_for("KEEP"):
            invite(view, stage, stage.leave())
        else:
            view.say("taking everything down")
    return 0 if play.ended_well else 1


def _asked_for(name: str) -> str:
    return os.environ.get(name, "").removeprefix("0")


if __name__ == "__main__":
    sys.exit(main())
