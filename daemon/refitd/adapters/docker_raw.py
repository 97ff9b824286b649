"""The few calls that go past docker-py's public face: raw engine JSON, out and in.

Its builders drop fields that they do not know, and its streams have no time-outs. All that
leans on the library's inside stands here, behind types of our own.
"""

from __future__ import annotations

from typing import Any

from docker import APIClient
from requests import Response

from refitd.core.container import CreateRequest, Json

_BUILT_IN = ("default", "bridge", "host", "none")


def create(client: APIClient, request: CreateRequest) -> str:
    answer = _inside(client).create_container_from_config(
        dict(request.body), request.name, request.platform
    )
    return str(answer["Id"])


def networks_of(request: CreateRequest) -> set[str]:
    """The networks that must be there, by name or id."""
    mode = str((request.body.get("HostConfig") or {}).get("NetworkMode") or "default")
    at_creation = (request.body.get("NetworkingConfig") or {}).get("EndpointsConfig") or {}
    named = {mode, *at_creation, *(network for network, _ in request.connect)}
    return {name for name in named if name not in _BUILT_IN and not name.startswith("container:")}


def post(client: APIClient, path: str, body: Json, **options: object) -> Response:
    """`options` are those of `requests`, such as `stream` and `timeout`."""
    inside = _inside(client)
    response: Response = inside._post_json(inside._url(path), data=dict(body), **options)  # noqa: SLF001 - the purpose of this file
    inside._raise_for_status(response)  # noqa: SLF001 - same
    return response


def inspect_image(client: APIClient, reference: str) -> dict[str, Any]:
    raw: dict[str, Any] = _inside(client).inspect_image(reference)
    return raw


def set_restart_policy(client: APIClient, container_id: str, name: str, retries: int) -> None:
    wanted = {"Name": name, "MaximumRetryCount": retries}
    _inside(client).update_container(container_id, restart_policy=wanted)


def _inside(client: APIClient) -> Any:
    return client
