"""What `refitd rebuild` and `restart` show while they wait."""

from __future__ import annotations

from dataclasses import replace

import pytest

from refitd.cli.follow import in_words
from refitd.cli.render import Progress
from tests.cli.office import a_deployment


def test_in_words() -> None:
    """How far the build is; after it the step, with what is in its way."""
    building = replace(
        a_deployment(), state="building", step="RUN make", progress_step=3, progress_total=9
    )
    assert in_words(building) == "deployment 41: building, step 3 of 9"
    stuck = replace(building, state="replacing", step="start_old: the port is taken")
    assert in_words(stuck) == "deployment 41: replacing, start_old: the port is taken"


def test_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """What the engine says is shown without what would move a terminal's cursor."""
    with Progress() as progress:
        progress.show("start_old: \x1b]0;title\x07the port\nis taken")
    assert capsys.readouterr().err == "start_old: ]0;titlethe port is taken\n"
