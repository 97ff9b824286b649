"""Who depends on a container, in which order, and to whom they are pointed afterwards."""

from __future__ import annotations

from typing import Any

import pytest

from refitd.core import labels
from refitd.core.companions import (
    companions_of,
    cut_off_by_restart,
    objections,
    with_new_owners,
)
from refitd.core.container import Container

T, A, B, C, D = (letter * 64 for letter in "7abcd")


def container(id_: str, name: str, config: Any = None, **host: Any) -> Container:
    """A running one."""
    return Container.from_inspect(
        {
            "Id": id_,
            "Name": f"/{name}",
            "Image": "image-1",
            "State": {"Status": "running", "StartedAt": "2026-01-01T00:00:00Z"},
            "Config": config or {"Labels": {}},
            "HostConfig": {"NetworkMode": "web", **host},
        }
    )


TARGET = container(T, "panel")


def names(*others: Container, leave: tuple[str, ...] = ()) -> list[str]:
    """Of the target's companions, in order."""
    return [each.name for each in companions_of(TARGET, [*others, TARGET], leave)]


@pytest.mark.parametrize("field", ["NetworkMode", "IpcMode", "PidMode"])
@pytest.mark.parametrize("by", [T, T[:12], "panel"])
def test_by_a_namespace(field: str, by: str) -> None:
    """Who lives in one of its namespaces, named by id, short id or name, is cut off with it."""
    (found,) = companions_of(TARGET, [container(A, "proxy", **{field: f"container:{by}"})])
    assert (found.name, found.lives_with, found.is_cut_off) == ("proxy", (T,), True)


def test_by_volumes() -> None:
    """Who uses its volumes is one, too, and is not cut off."""
    (found,) = companions_of(TARGET, [container(A, "backup", VolumesFrom=["panel:ro"])])
    assert (found.name, found.is_cut_off) == ("backup", False)


def test_nobody() -> None:
    """Others are none, nor is whoever was replaced before."""
    assert names(container(A, "db"), container(B, "friend", PidMode=f"container:{A}")) == []
    old = container(A, "proxy-previous-1", IpcMode="container:panel")
    assert names(old, leave=(A,)) == []


def test_order() -> None:
    """Each comes after those it depends on, however long the way."""
    near = container(A, "a-near", PidMode=f"container:{T}", IpcMode=f"container:{D}")
    far = container(D, "z-far", IpcMode=f"container:{C}")
    mid = container(C, "y-mid", VolumesFrom=[B])
    first = container(B, "x-first", NetworkMode=f"container:{T}")
    assert names(near, far, mid, first) == ["x-first", "y-mid", "z-far", "a-near"]


def test_by_a_restart() -> None:
    """A restart cuts off who lives with it, by whatever chain, and nobody else."""
    proxy = container(A, "proxy", NetworkMode=f"container:{T}")
    tailer = container(B, "tailer", PidMode=f"container:{A}")
    backup = container(C, "backup", VolumesFrom=["panel"])
    of_backup = container(D, "of-backup", PidMode=f"container:{C}")
    found = companions_of(TARGET, [proxy, tailer, backup, of_backup])
    assert [each.name for each in cut_off_by_restart(T, found)] == ["proxy", "tailer"]


def test_pointed_to_the_new_ones() -> None:
    """Namespaces by id and volumes are those of the new one; one by name is left to be looked up."""
    inspect = container(
        A,
        "proxy",
        NetworkMode=f"container:{T}",
        PidMode="container:panel",
        IpcMode=f"container:{C}",
        VolumesFrom=["panel:ro", "db"],
    ).inspect
    host = with_new_owners(inspect, [(TARGET.inspect, B)])["HostConfig"]
    assert host["NetworkMode"] == f"container:{B}"
    assert host["PidMode"] == "container:panel"
    assert host["IpcMode"] == f"container:{C}"
    assert host["VolumesFrom"] == [f"{B}:ro", "db"]


@pytest.mark.parametrize(
    "config,host,words",
    [
        ({"Labels": {}}, {"AutoRemove": True}, "--rm"),
        ({"Labels": {"com.docker.swarm.task.id": "x"}}, {}, "Swarm"),
        ({"Labels": {labels.TARGET: "other"}}, {}, "another target, other"),
    ],
)
def test_who_cannot_come(config: dict[str, Any], host: dict[str, Any], words: str) -> None:
    """One that could not be put back, is kept by others, or is another target's, is named."""
    proxy = container(A, "proxy", config, PidMode=f"container:{T}", **host)
    said = list(objections(companions_of(TARGET, [proxy]), [proxy, TARGET], "backend"))
    assert len(said) == 1
    assert "container proxy depends on it" in said[0]
    assert words in said[0]
    assert list(objections((), [proxy], "backend")) == []
