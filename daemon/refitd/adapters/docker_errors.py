"""The one place where errors of docker-py and what lies under it become errors of refitd.

An answer of the engine is a refusal. Everything else (no socket, a time-out, a broken or
garbled stream) means that we do not know: the call may have happened.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import docker.errors
import requests.exceptions
import urllib3.exceptions

from refitd.errors import Conflict, EngineError, EngineRefused, EngineUnavailable, NotFound

#: What the client may raise: docker-py's own, and what it lets through from below.
CLIENT_ERRORS = (
    docker.errors.DockerException,
    docker.errors.StreamParseError,
    requests.exceptions.RequestException,
    urllib3.exceptions.HTTPError,
    OSError,
)

_SILENCES = (TimeoutError, requests.exceptions.Timeout, urllib3.exceptions.TimeoutError)

_NOT_FOUND, _CONFLICT, _BUSY = 404, 409, 503
#: Things in the way which the engine answers with another status: of ports and endpoints.
_IN_THE_WAY = (
    "port is already allocated",
    "address already in use",
    "already exists in network",
)
#: The engine behind the socket was replaced by one that does not speak our version.
_OTHER_VERSION = ("client version", "is too new", "is too old")


@contextmanager
def translated() -> Iterator[None]:
    """Errors of the client, raised inside, leave as errors of refitd."""
    try:
        yield
    except CLIENT_ERRORS as error:
        raise as_ours(error) from error


def as_ours(error: Exception) -> EngineError:
    match error:
        case docker.errors.APIError():
            return _answer(error)
        case docker.errors.DockerException() if not _is_transport(error):
            return EngineRefused(f"the docker client refuses: {error}")
        case _:
            return EngineUnavailable(f"the engine does not answer: {_plainly(error)}")


def _plainly(error: BaseException) -> str:
    """What the system said, without the layers that were tried one over the other."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
    if any(isinstance(cause, _SILENCES) for cause in causes):
        return "it kept silent for too long"
    return str(error)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all below it; urllib3 keeps them in their arguments as well."""
    below: list[object] = [error]
    seen: set[int] = set()
    while below:
        each = below.pop(0)
        if isinstance(each, BaseException) and id(each) not in seen:
            seen.add(id(each))
            yield each
            reason = getattr(each, "reason", None)
            below += [each.__cause__, each.__context__, reason, *each.args]


def _answer(error: docker.errors.APIError) -> EngineError:
    text = (error.explanation or str(error)).strip()
    if error.status_code == _NOT_FOUND:
        return NotFound(text)
    if error.status_code == _CONFLICT or any(words in text for words in _IN_THE_WAY):
        return Conflict(text)
    if error.status_code in (None, _BUSY) or speaks_another_version(text):
        return EngineUnavailable(text)
    return EngineRefused(text)


def speaks_another_version(text: str) -> bool:
    head, *either = _OTHER_VERSION
    return head in text and any(words in text for words in either)


def _is_transport(error: BaseException) -> bool:
    """docker-py wraps whatever goes wrong while it asks for the version in its base class."""
    below = error.__cause__ or error.__context__
    return isinstance(below, (requests.exceptions.RequestException, OSError))
