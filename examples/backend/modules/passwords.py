"""A password nobody has: `/passwords`."""

from secrets import token_urlsafe

from routes import Routes


def start(routes: Routes) -> None:
    """Add the generator."""
    routes.add("/passwords", lambda _: {"password": token_urlsafe(16)})
