"""What deployments leave behind, and who takes it away: old containers, strays, images.

None of it is urgent. What cannot be removed now is said, and tried again with a later look.
"""

from __future__ import annotations

from collections.abc import Collection

from refitd.core import labels
from refitd.core.container import Container, Image
from refitd.core.deployment import Retiree, Snapshot
from refitd.core.route import repository
from refitd.core.seen import SERVES
from refitd.core.strays import probe_name, strays
from refitd.core.target import Target
from refitd.errors import EngineError
from refitd.ports import Engine, Journal, Log
from refitd.shell.tenure import Tenure


class Tidying:
    """Clears up behind one target's deployments."""

    def __init__(
        self, engine: Engine, journal: Journal, tenure: Tenure, log: Log, target: Target
    ) -> None:
        self._engine, self._journal, self._tenure = engine, journal, tenure
        self._log, self._target = log, target

    def retire(self, retiree: Retiree) -> None:
        """Its time is over: remove the old container. Volumes with a name stay.

        One that bears the target's name again, or runs under another one than it was given, was put
        back, by us or by hand: it stays. One that runs while nothing else of the target does is not
        removed until something does.
        """
        log = self._log.bind(deployment=retiree.deployment_id)
        try:
            container = self._engine.container(retiree.container_id)
            if container is not None and not self._was_put_back(container, retiree):
                if container.runs and self._is_all_that_serves(container, retiree):
                    return
                self._engine.remove(retiree.container_id)
        except EngineError as error:  # it can wait; the target cannot
            log.warning("container.unretired", name=retiree.name, error=str(error))
            return
        self._journal.drop_retiree(self._target.name, retiree.container_id, self._tenure.epoch)
        log.info("container.retired", container=retiree.container_id, name=retiree.name)
        self.prune_images(retiree.deployment_id, previous=retiree.image_id)

    def _was_put_back(self, container: Container, retiree: Retiree) -> bool:
        renamed = container.runs and container.name != retiree.name
        return renamed or container.name == self._target.container

    def _is_all_that_serves(self, container: Container, retiree: Retiree) -> bool:
        """`docker stop api`, `docker start api-previous-41`: somebody went back by hand."""
        if container.labels.get(labels.DEPLOYMENT) == str(retiree.deployment_id):
            return False  # made for that deployment, and left over
        name = self._target.container
        return not any(
            each.id != container.id
            and each.state in SERVES
            and (each.name == name or each.labels.get(labels.ROLE) == labels.SUCCESSOR)
            and labels.stands_for(each.labels, name)
            for each in self._engine.containers(self._target.name, [name])
        )

    def keep_down(self, retiree: Retiree) -> None:
        """What was replaced is not to serve beside what replaced it. `docker compose start` and
        `restart` start all containers of a service, and it still bears the service's names."""
        log = self._log.bind(deployment=retiree.deployment_id)
        try:
            container = self._engine.container(retiree.container_id)
            if container is None or not container.runs or container.name == self._target.container:
                return
            self._engine.stop(retiree.container_id)
        except EngineError as error:  # the next look tries again
            log.warning("container.left_running", name=retiree.name, error=str(error))
            return
        log.warning("container.stopped_again", container=retiree.container_id, name=retiree.name)

    def sweep(self, snapshot: Snapshot, seen_before: Collection[str]) -> frozenset[str]:
        """Remove what nobody needs and was there at the look before, too: what has just appeared
        may be somebody's who is at work (`refitd plan` probes without a lease). Answers what was
        seen."""
        name = self._target.container
        try:
            found = self._engine.containers(self._target.name, [probe_name(name)])
            left = strays(found, name, snapshot)
            for stray in left:
                if stray.id in seen_before:
                    self._engine.remove(stray.id, anonymous_volumes=True)
                    log = self._log.bind(**_made_by(stray))
                    log.info("container.swept", container=stray.id, name=stray.name)
        except EngineError as error:
            self._log.warning("container.left_over", error=str(error))
            return frozenset(seen_before)
        return frozenset(stray.id for stray in left)

    def prune_images(
        self, deployment_id: int, previous: str | None = None, failed: str | None = None
    ) -> None:
        """A deployment has ended, or what it replaced is gone.

        Remove refitd's own images of this target, but the running one and those before it:
        the one known to be `previous` first, then the newest. The one that `failed` just now
        stays beside them: a toggle may be all that it needs."""
        log = self._log.bind(deployment=deployment_id)
        try:
            found = self._engine.containers(self._target.name, [self._target.container])
            ours = [c for c in found if labels.stands_for(c.labels, self._target.container)]
            in_use = {container.image_id for container in ours}
            images = self._engine.images({labels.IMAGE_TARGET: self._target.name})
            own = repository(self._target.image) + ":refitd-"
            built = [image for image in images if any(tag.startswith(own) for tag in image.tags)]
            spare = [image for image in built if image.id not in {*in_use, failed}]
            spare.sort(key=lambda image: image.id != previous)
            kept = max(0, self._target.keep_images - max(0, len(in_use) - 1))
            for image in spare[kept:]:
                self._untag(image, own, log, keep=())
            # A replacement with the same image gives it one more tag: those in use are enough.
            created_by = [str(each.inspect["Config"].get("Image")) for each in ours]
            for image_id in in_use:
                image_in_use = self._engine.image(image_id)
                if image_in_use is not None:
                    self._untag(image_in_use, own, log, keep=created_by)
        except EngineError as error:
            log.warning("images.unpruned", error=str(error))

    def _untag(self, image: Image, own: str, log: Log, keep: Collection[str]) -> None:
        for tag in image.tags:
            if tag.startswith(own) and tag not in keep and self._engine.remove_image(tag):
                log.info("image.removed", image=image.id, tag=tag)


def _made_by(stray: Container) -> dict[str, object]:
    """Its deployment, where it was made for one: not if it was made for a look."""
    made_for = stray.labels.get(labels.DEPLOYMENT, "")
    return {"deployment": int(made_for)} if made_for.isdecimal() else {}
