"""A wish that an image in between happens to supply is not lost with that image."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from refitd.core import labels
from refitd.core.recreate import Clone, create_request, differences
from tests.core.recorded import recorded

Json = dict[str, Any]

#: An owner's configuration, and another image that has the very same.
_WISHES: list[Json] = [
    {"Env": ["LEVEL=2"]},
    {"Cmd": ["serve"]},
    {"Entrypoint": ["run"], "Cmd": ["serve"]},
    {"User": "app"},
    {"WorkingDir": "/opt"},
    {"Labels": {"maker.of": "us"}},
    {"ExposedPorts": {"9000/udp": {}}},
    {"Volumes": {"/more": {}}},
    {"Healthcheck": {"Test": ["CMD", "ok"], "Retries": 4}},
    {"Unheard": {"of": 1}},
]


def _plain() -> tuple[Json, Json]:
    return recorded("plain", (1, 51))


def _sent(old: Json, baseline: Json) -> Json:
    plan = Clone("panel-next", "panel:2", "panel", api_version=(1, 51))
    return dict(create_request(old, baseline, plan).body)


def _made(old: Json, request: Json) -> Json:
    """The clone as the engine shows it, with all that was sent and nothing of the image's."""
    made = copy.deepcopy(old)
    made["Id"] = "e" * 64
    made["Config"] |= {key: value for key, value in request.items() if key in made["Config"]}
    return made


@pytest.mark.parametrize("wish", _WISHES, ids="+".join)
def test_a_wish_outlives_an_image_that_supplies_it(wish: Json) -> None:
    """Onto an image of the same, and from there on: it is sent again, and the gate asks for it."""
    old, baseline = _plain()
    old["Config"] |= wish
    first = _sent(old, baseline)
    made = _made(old, first)
    supplies_it = copy.deepcopy(baseline)
    supplies_it["Config"] |= wish
    assert differences(old, baseline, made, supplies_it, late=False) == ()
    again = _sent(made, supplies_it)
    assert {key: again.get(key) for key in wish} == {key: first.get(key) for key in wish}
    assert again["Labels"][labels.ASKED] == first["Labels"][labels.ASKED]


def test_no_entrypoint_outlives_an_image_without_one() -> None:
    """Nothing is asked for as well, and goes on being asked for."""
    old, baseline = _plain()
    baseline["Config"]["Entrypoint"] = ["start"]
    old["Config"] |= {"Entrypoint": None, "Cmd": ["sleep"]}
    made = _made(old, _sent(old, baseline))
    made["Config"]["Entrypoint"] = None
    supplies_none = copy.deepcopy(baseline)
    supplies_none["Config"]["Entrypoint"] = None
    assert _sent(made, supplies_none)["Entrypoint"] == [""]


def test_what_nobody_asked_for_goes_with_its_image() -> None:
    """Only what the note names stays: the rest is still the image's to supply."""
    old, baseline = _plain()
    old["Config"]["User"] = "app"
    made = _made(old, _sent(old, baseline))
    made["Config"] |= {"WorkingDir": "/opt", "Env": ["NEWER=1"]}
    supplies = copy.deepcopy(baseline)
    supplies["Config"] |= {"WorkingDir": "/opt", "Env": ["NEWER=1"], "User": "app"}
    again = _sent(made, supplies)
    assert again["User"] == "app"
    assert not again.keys() & {"WorkingDir", "Env"}


def test_paths_and_never_values() -> None:
    """A label is seen by many; an environment holds secrets."""
    old, baseline = _plain()
    old["Config"] |= {"Env": ["API_TOKEN=hunter2"], "Cmd": ["serve", "hunter3"]}
    note = _sent(old, baseline)["Labels"][labels.ASKED]
    assert json.loads(note) == ["Cmd", "Env.API_TOKEN"]


def test_the_label_of_an_image_says_nothing() -> None:
    """An image made of a clone (`docker commit`) hands its label on; what it names is supplied."""
    old, baseline = _plain()
    for inspect in (old, baseline):
        inspect["Config"] |= {"User": "app", "Labels": {labels.ASKED: json.dumps(["User"])}}
    assert "User" not in _sent(old, baseline)
