"""Which paths there are with a word in them: `/search?q=mail`."""

from routes import Routes


def start(routes: Routes) -> None:
    """Add the search."""
    routes.add("/search", lambda query: [path for path in routes.paths() if query["q"] in path])
