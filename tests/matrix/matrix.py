"""Every cell of the kill matrix: `make matrix`, which takes hours. See `tests/matrix/cells.py`.

A table of the cells of each scene and fault is printed as they are played; one that does not come
out as it should is named, and the rest is played all the same.
"""

from __future__ import annotations

from itertools import count

import pytest

from tests.matrix.cells import MOMENTS, Cell, Fault, Played
from tests.matrix.conftest import Player
from tests.matrix.scenes import SCENES, Scene


@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("fault", MOMENTS)
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_every_cell(scene: Scene, fault: Fault, play: Player) -> None:
    """Whoever dies at whichever call: in the end the table is served, by one, and nothing is left
    over; or, where the table cannot be served, what was before is."""
    played, kept, wrong = 0, 0, []
    for act in count():
        calls: list[Played | str | None] = []
        for moment in MOMENTS[fault]:
            cell = Cell(scene, fault, act, moment)
            try:
                calls.append(play(cell))
            except AssertionError as failure:
                wrong.append(f"{cell}: {failure}")
                print(f"  WRONG {wrong[-1]}", flush=True)
                calls.append(f"WRONG {moment}")
        if not any(calls):
            break
        played += sum(call is not None for call in calls)
        kept += sum(isinstance(call, Played) and call.port_was_kept for call in calls)
        print(f"  {scene.name}; {fault}; act {act}: {', '.join(map(str, calls))}", flush=True)
    also = f", {kept} after the engine gave a port back" if kept else ""
    print(f"{scene.name}; {fault}: {played} cells, {len(wrong)} wrong{also}", flush=True)
    assert played > len(MOMENTS[fault]), "there were calls to die at"
    assert not wrong, "\n\n".join(wrong)
