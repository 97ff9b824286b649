"""What an invoice comes to: `/billing?net=100&rate=19`."""

from decimal import Decimal, InvalidOperation

from routes import Query, Routes

CENT = Decimal("0.01")


def start(routes: Routes) -> None:
    """Add the invoice."""
    routes.add("/billing", invoice)


def invoice(query: Query) -> dict[str, str]:
    """Add the tax, to the cent."""
    try:
        net, rate = Decimal(query["net"]), Decimal(query.get("rate", "19"))
        tax = (net * rate / 100).quantize(CENT)
    except InvalidOperation:
        raise ValueError("net and rate are decimal numbers") from None
    return {"net": str(net), "tax": str(tax), "total": str(net + tax)}
