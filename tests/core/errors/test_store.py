"""Errors of stores: the address without its secrets, then the problem."""

from __future__ import annotations

import pytest

from sp00ky_core.errors.store import (
    CallUnsupported,
    RowRefused,
    SchemaError,
    StoreClosed,
    StoreError,
    StoreInUse,
    StoreUnavailable,
)


@pytest.mark.parametrize("error", [StoreError, StoreUnavailable, StoreInUse, SchemaError, RowRefused])
def test_each_is_a_store_error(error: type[StoreError]) -> None:
    with pytest.raises(StoreError, match=r"^ws://host/a: it is away$") as raised:
        raise error(store="ws://host/a", problem="it is away")
    assert raised.value.exit_code == 1


def test_a_closed_store_says_how_it_is_opened() -> None:
    assert "async with Outbox.open(...)" in str(StoreClosed(store="memory://"))


def test_a_call_that_a_store_has_not_says_what_to_use() -> None:
    error = CallUnsupported(store="memory://", call="statement", instead="use transaction()")
    assert (str(error), error.exit_code) == ("memory:// has no statement: use transaction()", 2)
