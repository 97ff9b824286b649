"""A module that builds well; where it is enabled, the backend never becomes healthy."""

from threading import Event

from routes import Routes


def start(_: Routes) -> None:
    """Wait for what never comes."""
    Event().wait()
