"""How often each path was asked for."""

from collections import Counter

from routes import Routes


def start(routes: Routes) -> None:
    """Count from now on."""
    counts: Counter[str] = Counter()
    routes.watch(lambda path: counts.update([path]))
    routes.add("/audit", lambda _: dict(counts.most_common(20)))
