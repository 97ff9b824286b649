"""What the web app does, and what has to become of it.

A scene is one thing that somebody does in the panel. Its end is stated strictly: how many
deployments it may lead to, how each ends, what its record says, and whether any request may fail.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from panel import Panel

#: Built into the first containers, which refitd finds running.
AT_FIRST = ("audit", "billing")
#: Installed one by one within a second. One of them is off: it cannot start.
INSTALLED = (
    *("calendar", "currency", "holidays", "mail", "passwords"),
    *("reports", "search", "tickets", "two_factor"),
)
ASLEEP = "fails_to_start"


@dataclass(frozen=True)
class End:
    """How the one deployment of a scene has to end."""

    action: str
    way: str
    state: str
    #: In the deployment's error, and in its log.
    error: str = ""
    logged: str = ""

    @property
    def replaces(self) -> bool:
        """Whether the container is replaced or restarted: else the old one serves throughout."""
        return self.state == "succeeded"


@dataclass(frozen=True)
class Scene:
    """One thing that is done, and its end: None where nothing may be done about it."""

    title: str
    written: str
    write: Callable[[Panel], None]
    end: End | None
    #: Whether refitd should be woken at all.
    noticed: bool = True
    #: Whether it is done to the backend behind the proxy, of which two may run side by side.
    proxied: bool = False
    #: Whether what the table asks for cannot be had, so that the old one goes on as it was.
    stuck: bool = False


def _install_ten(panel: Panel) -> None:
    for id_ in INSTALLED:
        panel.install(id_)
    panel.install(ASLEEP, enabled=False)


SCENES: Sequence[Scene] = (
    Scene(
        title="a burst of installs",
        written="ten rows inserted, in ten transactions",
        write=_install_ten,
        end=End("rebuild", "swap", "succeeded"),
    ),
    Scene(
        title="a new title",
        written="a column updated that is not watched",
        write=lambda panel: panel.retitle("mail", "Letters"),
        end=None,
        noticed=False,
    ),
    Scene(
        title="a toggle",
        written="mail switched off",
        write=lambda panel: panel.switch("mail", on=False),
        end=End("restart", "restart", "succeeded"),
    ),
    Scene(
        title="a toggle that cannot start",
        written=f"{ASLEEP} switched on",
        write=lambda panel: panel.switch(ASLEEP, on=True),
        end=End(
            "restart",
            "restart",
            "rolled_back",
            "it exited with code 1",
            "does not start, on purpose",
        ),
        stuck=True,
    ),
    Scene(
        title="... healed",
        written=f"{ASLEEP} switched off again",
        write=lambda panel: panel.switch(ASLEEP, on=False),
        end=None,
    ),
    Scene(
        title="a module that does not build",
        written="broken_build inserted",
        write=lambda panel: panel.install("broken_build"),
        end=End(
            "rebuild", "swap", "failed", "returned a non-zero code", "does not import, on purpose"
        ),
        stuck=True,
    ),
    Scene(
        title="... healed",
        written="broken_build deleted",
        write=lambda panel: panel.uninstall("broken_build"),
        end=None,
    ),
    Scene(
        title="a module that never gets healthy",
        written="never_healthy inserted",
        write=lambda panel: panel.install("never_healthy"),
        end=End("rebuild", "swap", "rolled_back", "its health check failed", "listening on port"),
        stuck=True,
    ),
    Scene(
        title="... healed",
        written="never_healthy deleted",
        write=lambda panel: panel.uninstall("never_healthy"),
        end=None,
    ),
    Scene(
        title="an uninstall",
        written="search deleted",
        write=lambda panel: panel.uninstall("search"),
        end=End("rebuild", "swap", "succeeded"),
    ),
    Scene(
        title="an install, behind a proxy",
        written="slugs inserted, in another panel's table",
        write=lambda panel: panel.install("slugs"),
        end=End("rebuild", "overlap", "succeeded"),
        proxied=True,
    ),
    Scene(
        title="a toggle, behind a proxy",
        written="slugs switched off",
        write=lambda panel: panel.switch("slugs", on=False),
        end=End("restart", "overlap", "succeeded"),
        proxied=True,
    ),
)
