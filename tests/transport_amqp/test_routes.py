"""Which routes may be listed, and which paths they cover."""

import pytest

from sp00ky_core.config import values
from sp00ky_transport_amqp.routes import place_of, read_routes


@pytest.mark.parametrize(
    ("route", "path", "place"),
    [
        ("/orders/order.paid", "/orders/order.paid", ("orders", "order.paid")),
        ("/orders/order.paid", "/orders/orderXpaid", None),
        ("/orders/order.paid", "/orders/order.paid.eu", None),
        ("/orders/order.paid", "/other/order.paid", None),
        ("/orders/order.paid", "/order.paid", None),
        ("/orders/order.*", "/orders/order.paid", ("orders", "order.paid")),
        ("/orders/order.*", "/orders/order", None),
        ("/orders/order.*", "/orders/order.", None),
        ("/orders/order.*", "/orders/order.paid.eu", None),
        ("/orders/*.paid", "/orders/order.paid", ("orders", "order.paid")),
        ("/orders/order.#", "/orders/order.paid.eu", ("orders", "order.paid.eu")),
        ("/orders/order.#", "/orders/order", ("orders", "order")),
        ("/orders/order.#", "/orders/orders", None),
        ("/orders/#", "/orders/any.thing", ("orders", "any.thing")),
        ("/orders/#", "/others/any.thing", None),
        ("/orders/", "/orders/", ("orders", "")),
        ("/orders/", "/orders", None),
        ("/invoices", "/invoices", ("", "invoices")),
        ("/invoices", "/invoices/", None),
        ("/invoices", "//invoices", None),
        ("/orders/#", "/orders/a/b", None),
        ("/orders/#", "/orders/" + "x" * 256, None),
    ],
)
def test_a_path_leads_where_a_route_says(route: str, path: str, place: tuple[str, str] | None) -> None:
    assert place_of(path, read_routes([route])) == place


@pytest.mark.parametrize(
    ("routes", "problem"),
    [
        ([], "expected at least one route"),
        ("/x", "expected a list"),
        (["/"], "item 1: expected /EXCHANGE/ROUTING.KEY"),
        (["/a", "orders/x"], "item 2: expected /EXCHANGE/ROUTING.KEY"),
        (["/*/x"], "item 1: expected /EXCHANGE/ROUTING.KEY"),
        (["/a/b/c"], "item 1: expected /EXCHANGE/ROUTING.KEY"),
        (["/a b"], "item 1: expected /EXCHANGE/ROUTING.KEY"),
        (["/" + "x" * 256], "item 1: expected /EXCHANGE/ROUTING.KEY"),
        ([7], "item 1: expected text"),
    ],
)
def test_what_is_no_route_is_refused(routes: object, problem: str) -> None:
    with pytest.raises(values.ReadProblem, match=problem):
        read_routes(routes)
