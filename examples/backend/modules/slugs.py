"""A title as part of an address: `/slugs?title=Hello, world`."""

import re

from routes import Query, Routes


def start(routes: Routes) -> None:
    """Add the slug."""
    routes.add("/slugs", slug)


def slug(query: Query) -> dict[str, str]:
    """Keep letters and digits, with a dash for anything between."""
    return {"slug": "-".join(re.findall(r"[a-z0-9]+", query["title"].lower()))}
