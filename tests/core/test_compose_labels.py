"""Compose's labels: on the container that it made they stay, whatever the image says."""

from __future__ import annotations

from typing import Any

import pytest

from refitd.core import labels
from refitd.core.recreate import Clone, create_request, differences
from tests.core.recorded import recorded

#: What `docker compose build` writes on the image, and `docker compose up` on the container again.
_ON_BOTH = {
    "com.docker.compose.project": "panel",
    "com.docker.compose.service": "backend",
    "com.docker.compose.version": "5.6.1",
}
_BY_COMPOSE = _ON_BOTH | {
    "com.docker.compose.config-hash": "0" * 64,
    "com.docker.compose.container-number": "1",
    "com.docker.compose.oneoff": "False",
}
Json = dict[str, Any]


@pytest.fixture
def built_by_compose() -> tuple[Json, Json]:
    """A container of an image that compose has built, and its baseline."""
    old, baseline = recorded("plain", (1, 41))
    for inspect in (old, baseline):
        inspect["Config"]["Labels"] = (inspect["Config"]["Labels"] or {}) | _ON_BOTH
    return old, baseline


def test_project_and_service_stay(built_by_compose: tuple[Json, Json]) -> None:
    """Labels that an image built by compose has as well are carried onto one that has not."""
    old, baseline = built_by_compose
    old["Config"]["Labels"] |= _BY_COMPOSE
    body = create_request(old, baseline, Clone("next", "panel:2", "panel")).body
    del body["Labels"][labels.ASKED]
    assert body["Labels"] == _BY_COMPOSE


def test_a_successor_that_lacks_them_is_stopped(built_by_compose: tuple[Json, Json]) -> None:
    """The gate names them, though the old image has the same."""
    old, baseline = built_by_compose
    old["Config"]["Labels"] |= _BY_COMPOSE
    new, later = recorded("plain", (1, 41))
    new["Id"] = "e" * 64
    new["Config"]["Labels"] |= _BY_COMPOSE
    del new["Config"]["Labels"]["com.docker.compose.project"]
    assert differences(old, baseline, new, later, late=False) == (
        "Config.Labels.com.docker.compose.project",
    )


def test_of_a_container_that_compose_did_not_make_they_are_the_image_s(
    built_by_compose: tuple[Json, Json],
) -> None:
    """`docker run` of an image built by compose: nothing of it is pinned."""
    old, baseline = built_by_compose
    body = create_request(old, baseline, Clone("next", "panel:2", "panel")).body
    assert "Labels" not in body


def test_a_canary_is_none_of_the_service_s(built_by_compose: tuple[Json, Json]) -> None:
    """It bears none of them: compose must not count it."""
    old, baseline = built_by_compose
    old["Config"]["Labels"] |= _BY_COMPOSE
    body = create_request(old, baseline, Clone("next", "panel:2", "panel", kind="canary")).body
    assert "Labels" not in body
