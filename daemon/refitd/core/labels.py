"""The labels refitd writes, each in one of two families that never mix.

An image hands its labels on to every container made from it, whoever runs it. So what an
image says about itself (`dev.refitd.image.*`) is no evidence about a container, and what a
container says (`dev.refitd.*`) is never put on an image. Labels cannot be changed after
creation: a container's present role comes from the deployment row and the engine's state.
"""

from __future__ import annotations

from collections.abc import Mapping

PREFIX = "dev.refitd."

TARGET = PREFIX + "target"
DEPLOYMENT = PREFIX + "deployment"
EPOCH = PREFIX + "epoch"
INSTANCE = PREFIX + "instance"
ROLE = PREFIX + "role"
#: The id of the container this one was made to stand in for.
REPLACES = PREFIX + "replaces"
#: What that container was called, and its restart policy as JSON, to put it back by.
FINAL_NAME = PREFIX + "name"
OLD_POLICY = PREFIX + "old-policy"
#: How it was found: who was stopped by their owner is not started by us.
OLD_STATE = PREFIX + "old-state"
#: The ids of all containers that stood here before: their short ids are stale aliases.
FOREBEARS = PREFIX + "forebears"
#: What of its configuration its owner asked for: paths, as JSON.
ASKED = PREFIX + "asked"

#: On the likeness of a companion: the name of the target's container.
FOLLOWS = PREFIX + "follows"

CANARY = "canary"
COMPANION = "companion"
SUCCESSOR = "successor"
PROBE = "probe"

IMAGE_PREFIX = PREFIX + "image."
IMAGE_TARGET = IMAGE_PREFIX + "target"
IMAGE_KEY = IMAGE_PREFIX + "key"
IMAGE_BUILD_KEY = IMAGE_PREFIX + "build-key"
IMAGE_MODULES = IMAGE_PREFIX + "modules"
IMAGE_COMMIT = IMAGE_PREFIX + "commit"


def stands_for(container: Mapping[str, str], name: str) -> bool:
    """Whether these labels are of one made for the container `name`, or of none of refitd's.

    Another panel on the same engine may have a target of the same name as ours.
    """
    return container.get(FINAL_NAME, name) == name
