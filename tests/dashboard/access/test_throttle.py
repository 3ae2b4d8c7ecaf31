from starlette.requests import Request

from sp00ky_dashboard.access.throttle import MOST_ADDRESSES, MOST_WRONG, Throttle


def request_of(address: str) -> Request:
    return Request({"type": "http", "client": (address, 1)})


def test_however_many_addresses_try_the_latest_are_remembered() -> None:
    throttle = Throttle()
    for number in range(MOST_ADDRESSES + 1):
        for _ in range(MOST_WRONG):
            throttle.note_wrong(request_of(f"host-{number}"))
    refused = [throttle.refuses_for(request_of(f"host-{n}")) > 0 for n in range(MOST_ADDRESSES + 1)]
    assert refused == [False] + [True] * MOST_ADDRESSES
