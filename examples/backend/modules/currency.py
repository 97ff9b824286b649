"""Money into other money: `/currency?amount=10&rate=1.08`."""

from decimal import Decimal, InvalidOperation

from routes import Query, Routes


def start(routes: Routes) -> None:
    """Add the conversion."""
    routes.add("/currency", convert)


def convert(query: Query) -> dict[str, str]:
    """Multiply, to the cent."""
    try:
        amount = Decimal(query["amount"]) * Decimal(query["rate"])
        return {"amount": str(amount.quantize(Decimal("0.01")))}
    except InvalidOperation:
        raise ValueError("amount and rate are decimal numbers") from None
