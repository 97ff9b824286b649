"""What may be written into `refitd.toml`: one form a table, one field a key.

A form's fields are named as the fields of `core.target` that they become, so `dict(form)` is
what those take. A key is the field's name without its unit (`quiet_s` is written
`quiet = "2s"`). The defaults stand in `core.target` alone.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from refitd.core.target import Build, Health, HttpProbe, Source, Target, Timing
from refitd.settings.units import Days, Duration, Period, Port
from refitd.settings.values import Format, Level, LogSettings

_SOURCE, _BUILD, _HEALTH, _TIMING, _LOG = Source(), Build(), Health(), Timing(), LogSettings()
_PROBE = HttpProbe(port=0)
_TARGET = Target(name="", container="", image="", source=_SOURCE)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\Z")


def key(field: str) -> str:
    """How a field is written in the file.

    >>> key("longest_wait_s"), key("log_retention_days"), key("image")
    ('longest_wait', 'log_retention', 'image')
    """
    return field.removesuffix("_s").removesuffix("_days")


def _container_name(name: str) -> str:
    if not _NAME.match(name):
        raise ValueError(f"{name!r} is no container name: it must be wholly {_NAME.pattern[:-2]}")
    return name


def _postgres(dsn: SecretStr) -> SecretStr:
    """Only what surely is another database's: the rest is for libpq to read."""
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://", dsn.get_secret_value())
    if scheme and scheme[1] not in ("postgresql", "postgres"):
        raise ValueError(
            f"{scheme[1]}:// is not Postgres: write postgresql://user@host:5432/database"
        )
    return dsn


def _inside(dockerfile: str) -> str:
    """The engine only has what is in the context."""
    path = PurePosixPath(dockerfile)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(
            f"{dockerfile!r} is outside of the build context: it must be a path inside the source's"
            " `subdir`, relative and without `..`"
        )
    return dockerfile


def _image_tag(image: str) -> str:
    if not image or "@" in image or re.search(r"\s", image):
        raise ValueError(
            f"{image!r} is no tag that could be moved to a new image: write NAME:TAG, "
            'such as "panel-backend:latest"'
        )
    return image


def _words(value: object) -> object:
    """An environment variable holds a command as a JSON list, or as a shell would read it."""
    if not isinstance(value, str):
        return value
    return json.loads(value) if value.lstrip().startswith("[") else shlex.split(value)


def _pairs(value: object) -> object:
    if isinstance(value, str):
        value = json.loads(value)
    if isinstance(value, Mapping):
        if "MODULES" in value:
            raise ValueError("MODULES is the build argument that refitd itself sets")
        return tuple((name, str(text)) for name, text in value.items())
    return value


Text = Annotated[str, Field(min_length=1)]
ContainerName = Annotated[str, AfterValidator(_container_name)]
ImageTag = Annotated[str, AfterValidator(_image_tag)]
Words = Annotated[tuple[str, ...], BeforeValidator(_words)]
Pairs = Annotated[tuple[tuple[str, str], ...], BeforeValidator(_pairs)]


class Form(BaseModel):
    """A table of the file."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=key, hide_input_in_errors=True
    )


class SourceForm(Form):
    """`[target.NAME.source]`"""

    repo: Text | None = _SOURCE.repo
    path: Text | None = _SOURCE.path
    branch: Text = _SOURCE.branch
    subdir: str = _SOURCE.subdir
    insecure: bool = _SOURCE.insecure
    follow: bool = _SOURCE.follow

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.repo is None) == (self.path is None):
            raise ValueError("needs either `repo` (a git URL) or `path` (a folder), and not both")
        return self

    def value(self) -> Source:
        return Source(**dict(self))


class BuildForm(Form):
    """`[target.NAME.build]`"""

    dockerfile: Annotated[Text, AfterValidator(_inside)] = _BUILD.dockerfile
    args: Pairs = _BUILD.args
    stage: Text | None = _BUILD.stage
    pull: bool = _BUILD.pull
    timeout_s: Period = _BUILD.timeout_s

    def value(self) -> Build:
        return Build(**dict(self))


class HttpForm(Form):
    """`[target.NAME.health.http]`"""

    port: Port
    path: Annotated[str, Field(pattern="^/")] = _PROBE.path
    status: Annotated[int, Field(ge=100, le=599)] = _PROBE.status
    contains: Text | None = _PROBE.contains

    def value(self) -> HttpProbe:
        return HttpProbe(**dict(self))


class HealthForm(Form):
    """`[target.NAME.health]`"""

    deadline_s: Period = _HEALTH.deadline_s
    stable_s: Duration = _HEALTH.stable_s
    interval_s: Period = _HEALTH.interval_s
    timeout_s: Period = _HEALTH.timeout_s
    http: HttpForm | None = None
    tcp_port: Port | None = _HEALTH.tcp_port
    command: Words = _HEALTH.command

    @model_validator(mode="after")
    def _can_be_proven(self) -> Self:
        if self.stable_s >= self.deadline_s:
            raise ValueError("`stable` must be shorter than `deadline`, or nothing is ever proven")
        return self

    def value(self) -> Health:
        return Health(**dict(self) | {"http": self.http.value() if self.http else None})


class TargetForm(Form):
    """`[target.NAME]`"""

    container: ContainerName
    image: ImageTag
    source: SourceForm
    build: BuildForm = BuildForm()
    health: HealthForm = HealthForm()
    strategy: Literal["auto", "swap", "overlap"] = _TARGET.strategy
    concurrent: bool = _TARGET.concurrent
    canary: bool = _TARGET.canary
    traffic_network: Text | None = _TARGET.traffic_network
    drain_s: Duration = _TARGET.drain_s
    drain_command: Words = _TARGET.drain_command
    drain_timeout_s: Period = _TARGET.drain_timeout_s
    own_files: Literal["warn", "refuse"] = _TARGET.own_files
    adopt: Literal["wait", "rebuild"] = _TARGET.adopt
    watch_s: Duration = _TARGET.watch_s
    keep_images: Annotated[int, Field(ge=0)] = _TARGET.keep_images

    @model_validator(mode="after")
    def _overlap_is_declared(self) -> Self:
        if self.strategy == "overlap" and not self.concurrent:
            raise ValueError(
                '`strategy = "overlap"` needs `concurrent = true`: two of it run side by side'
            )
        return self

    def value(self, name: str) -> Target:
        parts = {
            "source": self.source.value(),
            "build": self.build.value(),
            "health": self.health.value(),
        }
        return Target(name=name, **dict(self) | parts)


class TimingForm(Form):
    """`[timing]`"""

    look_quiet_s: Duration = _TIMING.look_quiet_s
    quiet_s: Duration = _TIMING.quiet_s
    longest_wait_s: Duration = _TIMING.longest_wait_s
    poll_s: Period = _TIMING.poll_s
    suspect_poll_s: Period = _TIMING.suspect_poll_s
    lease_s: Annotated[Period, Field(ge=3)] = _TIMING.lease_s
    heartbeat_s: Period = _TIMING.heartbeat_s
    heartbeat_deadline_s: Period = _TIMING.heartbeat_deadline_s
    cancel_limit: Annotated[int, Field(ge=0)] = _TIMING.cancel_limit
    retry_first_s: Period = _TIMING.retry_first_s
    retry_longest_s: Period = _TIMING.retry_longest_s
    log_retention_days: Days = _TIMING.log_retention_days

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.longest_wait_s < self.quiet_s:
            raise ValueError("`longest_wait` must not be shorter than `quiet`")
        if self.retry_longest_s < self.retry_first_s:
            raise ValueError("`retry_longest` must not be shorter than `retry_first`")
        return self

    def value(self) -> Timing:
        return Timing(**dict(self))


class LogForm(Form):
    """`[log]`"""

    level: Level = _LOG.level
    format: Format = _LOG.format

    def value(self) -> LogSettings:
        return LogSettings(**dict(self))


class FileForm(BaseSettings):
    """The whole file."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, case_sensitive=True
    )

    dsn: Annotated[SecretStr, Field(min_length=1), AfterValidator(_postgres)]
    target: Annotated[dict[str, TargetForm], Field(min_length=1)]
    docker_host: Text | None = None
    state_dir: Text | None = None
    instance: Text | None = None
    metrics_port: Port | None = None
    metrics_address: Text = "127.0.0.1"
    log: LogForm = LogForm()
    timing: TimingForm = TimingForm()
