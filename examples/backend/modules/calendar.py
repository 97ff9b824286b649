"""A month on a page: `/calendar?year=2025&month=2`."""

from calendar import TextCalendar

from routes import Query, Routes


def start(routes: Routes) -> None:
    """Add the page."""
    routes.add("/calendar", month)


def month(query: Query) -> str:
    """Lay the month out."""
    number = int(query["month"])
    if number not in range(1, 13):
        raise ValueError("month is 1 to 12")
    return TextCalendar().formatmonth(int(query["year"]), number)
