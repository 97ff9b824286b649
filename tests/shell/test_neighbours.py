"""Two panels on one engine, each with a database of its own, a `backend`, and a deployment 1."""

from __future__ import annotations

from refitd.adapters.clock import SystemClock
from refitd.adapters.probe import NetworkProber
from refitd.core import labels
from refitd.core.container import Container
from refitd.core.goal import Goal
from refitd.core.target import Source, Target
from refitd.shell.cloner import Cloner
from refitd.shell.interruptions import Interruptions
from refitd.shell.observe import Observer
from refitd.shell.rescue import rescue
from tests.contracts.model_engine import ModelEngine
from tests.shell.house import BILLING, CRM, MAIL, House

NEXT_DOOR = {
    labels.TARGET: "backend",
    labels.DEPLOYMENT: "1",
    labels.ROLE: labels.SUCCESSOR,
    labels.INSTANCE: "next-door",
    labels.FINAL_NAME: "their-backend",
    labels.REPLACES: "f" * 64,
}


class Silent:
    """A log that nobody reads."""

    def bind(self, **_: object) -> Silent:
        """The same."""
        return self

    def info(self, event: str, **_: object) -> None:
        """Nothing."""

    warning = error = debug = info


def engine_with_neighbour() -> tuple[ModelEngine, Container]:
    """Our backend, unlabelled, and theirs, which their refitd deployed."""
    engine = ModelEngine()
    engine.add_image("backend:latest")
    engine.run("their-backend", "backend:latest", Labels=NEXT_DOOR)
    return engine, engine.run("our-backend", "backend:latest")


def target() -> Target:
    """Ours, by the default name."""
    return Target("backend", "our-backend", "backend:latest", Source(path="/src"))


def test_a_successor_next_door_is_not_ours() -> None:
    """What another database's deployment of the same number made is not taken for our own."""
    engine, ours = engine_with_neighbour()
    observer = Observer(
        engine,
        Cloner(engine, target(), "us"),
        NetworkProber(),
        SystemClock(),
        target(),
        Interruptions(),
    )
    goal = Goal(
        deployment=1,
        target="backend",
        epoch=1,
        way="overlap",
        name="our-backend",
        old_id=ours.id,
        old_state="running",
        old_policy="no",
        old_retries=0,
        old_started_at=ours.started_at,
        image_id=ours.image_id,
        tag="backend:refitd-1",
        configured_tag=None,
        configured_before=None,
        canary=False,
        late={},
        drain_s=0.0,
    )
    seen = observer.look(goal)
    assert seen.old is not None
    assert (seen.old.id, seen.successor, seen.canary) == (ours.id, None, None)


def test_a_backend_next_door_does_not_serve_for_ours() -> None:
    """Ours is started again where it was left stopped, though a namesake of its target runs."""
    engine, ours = engine_with_neighbour()
    engine.stop(ours.id)
    mine = {
        **NEXT_DOOR,
        labels.INSTANCE: "us",
        labels.FINAL_NAME: "our-backend",
        labels.REPLACES: ours.id,
    }
    left = engine.run("our-backend-successor-1", "backend:latest", Labels=mine)
    engine.stop(left.id)
    rescue(engine, target(), "us", Silent())
    again = engine.container(ours.id)
    assert again is not None
    assert again.runs


def test_images_next_door_do_not_count_for_ours() -> None:
    """One previous image is kept, whatever a namesake of the target on the same engine runs."""
    house = House()
    house.engine.add_image("their-backend:refitd-1")
    house.engine.run("their-backend", "their-backend:refitd-1", Labels=NEXT_DOOR)
    for rows in ([CRM], [CRM, MAIL], [CRM, MAIL, BILLING]):
        house.write(*rows)
        house.settle()
        house.pass_watch()
        house.settle()
    built = house.engine.images({labels.IMAGE_TARGET: "backend"})

    assert {tag for image in built for tag in image.tags if "refitd" in tag} == {
        "api:refitd-2",
        "api:refitd-3",
    }
