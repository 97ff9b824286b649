"""The audit log: one line an event on stderr, JSON for machines, coloured for people.

Events are dotted and past tense (`build.finished`), facts are flat keys. What is bound with
`structlog.contextvars` (target, deployment, epoch) is on every line written meanwhile, those
of libraries too: they log through the standard library, whose one handler renders with the
same steps as our own. Every text passes through `redact` last, tracebacks included, so that
nobody has to think of it where an event is written.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import Processor

from refitd.core.redact import MASK, names_a_secret, redact
from refitd.ports import Log

#: Libraries whose `info` is chatter about their own insides.
_CHATTY = ("apscheduler", "docker", "dulwich", "psycopg", "urllib3")
#: Warns of each server that cannot leave files out, which is well, and only takes longer.
_FUSSY = "dulwich.client"


def configure(
    level: str = "info",
    form: Literal["auto", "json", "pretty"] = "auto",
    stream: TextIO | None = None,
) -> None:
    """Send every log line, ours and the libraries', to `stream` (stderr)."""
    stream = stream or sys.stderr
    pretty = form == "pretty" or (form == "auto" and stream.isatty())
    common: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *common],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _redact_all,
                *_renderers(stream, pretty=pretty),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(root.level, logging.WARNING))
    logging.getLogger(_FUSSY).setLevel(logging.ERROR)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *common,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


def get(**context: object) -> Log:
    """A logger with this context, as `ports.Log` has it."""
    log: Log = structlog.stdlib.get_logger("refitd").bind(**context)
    return log


def _renderers(stream: TextIO, *, pretty: bool) -> list[Processor]:
    if pretty:
        return [structlog.dev.ConsoleRenderer(colors=stream.isatty())]
    return [structlog.processors.JSONRenderer()]


def _redact_all(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    return {key: _redacted(value, key) for key, value in event.items()}


def _redacted(value: object, key: str = "") -> object:
    """Containers are walked; what is neither text nor number is shown as text, redacted."""
    if names_a_secret(key):
        return MASK
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {str(key): _redacted(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted(item) for item in value]
    return redact(str(value))
