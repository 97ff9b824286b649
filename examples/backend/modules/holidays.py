"""When Easter is: `/holidays?year=2025`."""

from datetime import date

from routes import Query, Routes


def start(routes: Routes) -> None:
    """Add the date."""
    routes.add("/holidays", lambda query: {"easter": easter(query).isoformat()})


def easter(query: Query) -> date:
    """Follow the anonymous Gregorian computus."""
    year = int(query["year"])
    century, rest = divmod(year, 100)
    moon = (19 * (year % 19) + century - century // 4 - (8 * century + 13) // 25 + 15) % 30
    week = (32 + 2 * (century % 4) + 2 * (rest // 4) - moon - rest % 4) % 7
    shift = (year % 19 + 11 * moon + 22 * week) // 451
    month, day = divmod(moon + week - 7 * shift + 114, 31)
    return date(year, month, day + 1)
