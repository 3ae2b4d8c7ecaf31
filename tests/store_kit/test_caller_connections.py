"""Connections are recognised by their classes' names; what is wrong with one is one line."""

import sqlite3
from contextlib import closing

import pytest

from sp00ky_core.errors import OptionInvalid
from sp00ky_store_kit.caller_connections import (
    kinds_of,
    refuse_asynchronous,
    refuse_synchronous,
    refuse_unfit,
    unknown_kind,
)


class Mine(sqlite3.Connection):
    """As an application may have it."""


def test_a_kind_is_that_of_its_bases_too() -> None:
    with closing(sqlite3.connect(":memory:", factory=Mine)) as connection:
        assert {"sqlite3.Connection", "tests.Mine"} <= kinds_of(connection)
    assert kinds_of(7) == {"builtins.int", "builtins.object"}


def test_each_outbox_is_named_for_the_other_s_connections() -> None:
    asynchronous = type("AsyncConnection", (), {"__module__": "psycopg"})()
    with closing(sqlite3.connect(":memory:")) as synchronous:
        refuse_asynchronous(synchronous)
        refuse_synchronous(asynchronous)
        with pytest.raises(OptionInvalid, match="use SyncOutbox"):
            refuse_synchronous(synchronous)
    with pytest.raises(OptionInvalid, match="use Outbox and await"):
        refuse_asynchronous(asynchronous)


def test_what_is_unfit_is_refused() -> None:
    refuse_unfit(closed=False, alone=False)
    with pytest.raises(OptionInvalid, match="closed"):
        refuse_unfit(closed=True, alone=True)
    with pytest.raises(OptionInvalid, match=r"outside a transaction.*leave `connection` out"):
        refuse_unfit(closed=False, alone=True)
    with pytest.raises(OptionInvalid, match=r"outside a transaction.*pass autocommit=True"):
        refuse_unfit(closed=False, alone=True, blocking=True)
    assert str(unknown_kind(7, "a connection")) == "connection is of type builtins.int; expected a connection"
