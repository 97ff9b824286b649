"""What a new container is wanted for: everything that is not read from the old one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

#: * `successor`: takes the old one's place when that is stopped (swap).
#: * `late`: runs beside the old one, and gets its aliases once it is proven (overlap).
#: * `canary`: shows that the image starts; has no ports, names or addresses, and is removed.
Kind = Literal["successor", "late", "canary"]


@dataclass(frozen=True, slots=True)
class Clone:
    """One container to be created in the likeness of another.

    `name` is what it is created as, `final_name` what it will be called once it stands in the
    old one's place. `image` is the tag to create it by. `labels` are ours and go on top.
    """

    name: str
    image: str
    final_name: str
    kind: Kind = "successor"
    labels: Mapping[str, str] = field(default_factory=dict)
    api_version: tuple[int, int] = (1, 41)
    #: `late` only: where there are more networks, this one is not connected before the proof.
    traffic_network: str | None = None
    #: Ids of the containers that stood here before: their short ids are stale names.
    forebears: tuple[str, ...] = ()
    #: What compose would put into its image label for the new image.
    compose_image: str | None = None
    #: Policy and retry count in place of the old one's.
    restart_policy: tuple[str, int] | None = None
