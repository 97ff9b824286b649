"""The image: its commit, one that exists already, or a build, with its log and progress.

Nothing that runs is touched here. An image that was built before of the same parts (modules,
settings, commit) is used again unless somebody asked for a fresh one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from refitd.core import labels
from refitd.core.building import BuildLine, BuildRequest
from refitd.core.deployment import Amendment, Deployment, StepRecord
from refitd.core.fingerprint import image_key
from refitd.core.plan import Wanted
from refitd.core.route import own_tag
from refitd.core.source import remote_context
from refitd.core.target import Target
from refitd.errors import DatabaseError, RefitdError
from refitd.ports import Clock, Engine, Git, Journal, Log

#: Lines of build output are written to the journal at most this often.
FLUSH_S = 0.5


class Assembly:
    """Makes the images of one target."""

    def __init__(
        self, engine: Engine, git: Git, journal: Journal, clock: Clock, log: Log, target: Target
    ) -> None:
        self._engine, self._git, self._journal = engine, git, journal
        self._clock, self._log, self._target = clock, log, target

    def image(
        self, deployment: Deployment, want: Wanted, cancelled: Callable[[], bool], *, fresh: bool
    ) -> str:
        """The id of an image with the wanted modules, tagged with the deployment's own tag.

        Raises `SourceError`, `BuildFailed` and its kin, `EngineError`, `DatabaseError`.
        """
        log = self._log.bind(deployment=deployment.id, epoch=deployment.epoch)
        began_s = self._clock.now_s()
        commit = self._git.commit(self._target.source)
        key = image_key(self._target, want.desired.specs, commit)
        self._journal.amend(
            deployment, Amendment(state="building", step="resolve", commit=commit, image_key=key)
        )
        self._record(deployment, "resolve", began_s, commit)
        log.info("source.resolved", commit=commit)
        began_s = self._clock.now_s()
        image_id = None if fresh else self._existing(key)
        if image_id is not None:
            log.info("image.reused", image=image_id)
            self._record(deployment, "reuse_image", began_s, image_id)
        else:
            try:
                image_id = self._build(deployment, want, commit, key, cancelled, fresh=fresh)
            except RefitdError as error:
                self._record(deployment, "build", began_s, "", str(error))
                raise
            self._record(deployment, "build", began_s, image_id)
            log.info("build.finished", image=image_id, duration_s=self._since(began_s))
        self._engine.tag(image_id, own_tag(self._target, deployment.id))
        self._journal.amend(deployment, Amendment(image_id=image_id))
        return image_id

    def _existing(self, key: str) -> str | None:
        images = self._engine.images(
            {labels.IMAGE_TARGET: self._target.name, labels.IMAGE_KEY: key}
        )
        return images[0].id if images else None

    def _build(
        self,
        deployment: Deployment,
        want: Wanted,
        commit: str,
        key: str,
        cancelled: Callable[[], bool],
        *,
        fresh: bool,
    ) -> str:
        report = _Report(self._journal, self._clock, self._log, deployment)
        with self._context(commit) as (remote, folder):
            request = self._request(deployment, want, commit, key, remote, folder, fresh=fresh)
            try:
                return self._engine.build(request, report.line, cancelled)
            finally:
                report.flush()

    @contextmanager
    def _context(self, commit: str) -> Iterator[tuple[str | None, str | None]]:
        """The build context: a URL that the engine understands, or a folder to be sent."""
        source = self._target.source
        remote = remote_context(source, commit) if source.repo else None
        if remote is not None:
            yield remote, None
            return
        with self._git.checkout(source, commit) as folder:
            yield None, folder

    def _request(
        self,
        deployment: Deployment,
        want: Wanted,
        commit: str,
        key: str,
        remote: str | None,
        folder: str | None,
        *,
        fresh: bool,
    ) -> BuildRequest:
        build = self._target.build
        return BuildRequest(
            tag=own_tag(self._target, deployment.id),
            remote=remote,
            context=folder,
            dockerfile=build.dockerfile,
            args={**dict(build.args), "MODULES": want.desired.build_argument},
            labels={
                labels.IMAGE_TARGET: self._target.name,
                labels.IMAGE_KEY: key,
                labels.IMAGE_BUILD_KEY: want.build_key,
                labels.IMAGE_MODULES: want.desired.build_argument,
                labels.IMAGE_COMMIT: commit,
            },
            stage=build.stage,
            pull=build.pull,
            no_cache=fresh,
            timeout_s=build.timeout_s,
        )

    def _record(
        self,
        deployment: Deployment,
        step: str,
        began_s: float,
        detail: str,
        error: str | None = None,
    ) -> None:
        self._journal.add_step(deployment, StepRecord(step, self._since(began_s), detail, error))

    def _since(self, began_s: float) -> float:
        return round(self._clock.now_s() - began_s, 3)


class _Report:
    """Hands the build's output on, a few lines at a time. A journal that cannot be reached
    loses lines of the log, not the build."""

    def __init__(self, journal: Journal, clock: Clock, log: Log, deployment: Deployment) -> None:
        self._journal, self._clock, self._log = journal, clock, log
        self._deployment = deployment
        self._lines: list[str] = []
        self._progress: tuple[int, int] | None = None
        self._flushed_s = clock.now_s()

    def line(self, line: BuildLine) -> None:
        self._lines.append(line.text)
        if line.step is not None and line.total is not None:
            self._progress = (line.step, line.total)
            self._log.info(
                "build.advanced",
                deployment=self._deployment.id,
                epoch=self._deployment.epoch,
                step=line.step,
                total=line.total,
                line=line.text,
            )
        if self._clock.now_s() - self._flushed_s >= FLUSH_S:
            self.flush()

    def flush(self) -> None:
        self._flushed_s = self._clock.now_s()
        lines, self._lines = self._lines, []
        progress, self._progress = self._progress, None
        try:
            if lines:
                self._journal.add_log(self._deployment, lines)
            if progress:
                self._journal.amend(
                    self._deployment,
                    Amendment(step="build", progress_step=progress[0], progress_total=progress[1]),
                )
        except DatabaseError as error:
            self._log.warning(
                "journal.unwritten",
                deployment=self._deployment.id,
                epoch=self._deployment.epoch,
                error=str(error),
                lines=len(lines),
            )
