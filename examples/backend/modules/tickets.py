"""The next number, please: `/tickets`."""

from itertools import count

from routes import Routes


def start(routes: Routes) -> None:
    """Begin at one."""
    numbers = count(1)
    routes.add("/tickets", lambda _: {"ticket": next(numbers)})
