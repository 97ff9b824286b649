"""A report that takes its time: `/reports?seconds=2`. It shows that a stop waits for it."""

import time

from routes import Query, Routes

LONGEST_S = 30.0


def start(routes: Routes) -> None:
    """Add the report."""
    routes.add("/reports", report)


def report(query: Query) -> dict[str, float]:
    """Work for a while, then say how long it was."""
    begun = time.monotonic()
    time.sleep(min(max(float(query.get("seconds", "0")), 0.0), LONGEST_S))
    return {"seconds": round(time.monotonic() - begun, 3)}
