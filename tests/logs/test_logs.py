"""The audit log: one line an event, the same facts for people and machines, and no secret."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest
import structlog

from refitd import logs


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """Logging belongs to the process: leave it as it was found."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    with structlog.contextvars.bound_contextvars():
        yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


class Terminal(io.StringIO):
    """A stream that people look at."""

    def isatty(self) -> bool:
        return True


def written(
    stream: io.StringIO, level: str = "info", form: Literal["auto", "json", "pretty"] = "auto"
) -> io.StringIO:
    logs.configure(level, form, stream)
    return stream


def events(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_a_line_of_json() -> None:
    """Where no terminal is: the event, its facts, its level, and when it was."""
    stream = written(io.StringIO())
    logs.get(target="backend").info("build.finished", duration_s=4.2, modules=("audit", "mail"))
    (event,) = events(stream)
    at = datetime.fromisoformat(event.pop("timestamp"))
    assert at.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=1)
    assert event == {
        "event": "build.finished",
        "level": "info",
        "target": "backend",
        "duration_s": 4.2,
        "modules": ["audit", "mail"],
    }


def test_a_terminal_gets_it_pretty() -> None:
    """`auto` asks the stream; both can be asked for by name."""
    terminal = written(Terminal())
    logs.get().info("build.finished", target="backend")
    assert "build.finished" in terminal.getvalue()
    assert not terminal.getvalue().startswith("{")

    machine = written(Terminal(), form="json")
    logs.get().info("build.finished")
    assert events(machine)[0]["event"] == "build.finished"

    person = written(io.StringIO(), form="pretty")
    logs.get().info("build.finished", target="backend")
    assert "target=backend" in person.getvalue()


def test_what_is_bound_is_on_every_line() -> None:
    """Target, deployment and epoch, on lines of libraries as well."""
    stream = written(io.StringIO())
    with structlog.contextvars.bound_contextvars(target="backend", deployment=41, epoch=7):
        logs.get().info("step.done")
        logging.getLogger("psycopg").warning("connection lost")
    logs.get().info("looked")
    first, second, third = events(stream)
    assert (first["target"], first["deployment"], first["epoch"]) == ("backend", 41, 7)
    assert (second["target"], second["deployment"], second["epoch"]) == ("backend", 41, 7)
    assert (second["logger"], second["event"]) == ("psycopg", "connection lost")
    assert "target" not in third


def test_bind_adds_and_leaves_the_first_as_it_was() -> None:
    """A bound logger is another logger."""
    stream = written(io.StringIO())
    log = logs.get(target="backend")
    log.bind(deployment=41).warning("step.failed")
    log.error("look.failed")
    first, second = events(stream)
    assert (first["level"], first["deployment"]) == ("warning", 41)
    assert second["level"] == "error"
    assert "deployment" not in second


def test_the_level_is_kept() -> None:
    """What is below it is not written; chatter of libraries never is."""
    stream = written(io.StringIO(), level="warning")
    logs.get().info("looked")
    logs.get().warning("engine.unavailable")
    logging.getLogger("other").info("x")
    assert [event["event"] for event in events(stream)] == ["engine.unavailable"]

    stream = written(io.StringIO(), level="debug")
    logging.getLogger("apscheduler.scheduler").info("Added job")
    logging.getLogger("urllib3.connectionpool").debug("GET /containers/json")
    logging.getLogger("other").debug("x")
    assert [event["event"] for event in events(stream)] == ["x"]


SECRET = "hunter2"


@pytest.mark.parametrize("form", ["json", "pretty"])
def test_no_secret_is_written(form: Literal["json", "pretty"]) -> None:
    """Not in facts, however deep, by name or by place, nor in tracebacks or of libraries."""
    stream = written(io.StringIO(), form=form)
    dsn = f"postgresql://refitd:{SECRET}@db/panel"
    log = logs.get(dsn=dsn)
    said = f"connected to {dsn}"
    log.info(said, args=[dsn, {"url": dsn, "DB_PASSWORD": SECRET}], token=SECRET)
    log.info("odd", error=ValueError(dsn), values={dsn})
    logging.getLogger("psycopg").error("cannot reach %s", dsn)
    try:
        raise ValueError(dsn)
    except ValueError:
        logs.get().error("look.failed", exc_info=True)
    assert SECRET not in stream.getvalue()
    assert "Traceback" in stream.getvalue()
    assert "postgresql://refitd:***@db/panel" in stream.getvalue()


def test_a_traceback_stays_on_its_line() -> None:
    """For machines an event is one line, whatever is in it."""
    stream = written(io.StringIO())
    try:
        raise RuntimeError("two\nlines")
    except RuntimeError:
        logs.get().error("look.failed", exc_info=True)
    (event,) = events(stream)
    assert "two\nlines" in event["exception"]


def test_configured_twice_writes_once() -> None:
    """A second call replaces the first."""
    first = written(io.StringIO())
    second = written(io.StringIO())
    logs.get().info("looked")
    assert first.getvalue() == ""
    assert len(events(second)) == 1
