"""A module that builds well; where it is enabled, the backend exits as it starts."""

from routes import Routes


def start(_: Routes) -> None:
    """Fail."""
    raise RuntimeError("fails_to_start does not start, on purpose")
