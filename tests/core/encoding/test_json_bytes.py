"""Payloads: what a model and its values are written as, and where it is that one can't be."""

import dataclasses
import json
import sys
from collections import OrderedDict
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, RootModel, TypeAdapter, field_serializer

from sp00ky_core.encoding.json_bytes import JsonText, encode_payload, plain_copy
from sp00ky_core.errors import PayloadNotJson


class Color(Enum):
    RED = "red"
    SINCE = datetime(2026, 1, 2, tzinfo=UTC)


class Level(IntEnum):
    HIGH = 3


class Kind(StrEnum):
    CAT = "cat"


class Point(NamedTuple):
    x: int
    y: int


@attrs.frozen
class Attrs:
    value: Any
    _hidden: int = 1


@dataclasses.dataclass
class Data:
    value: Any


class Unset:
    value: Any


class Model(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    value: Any = Field(default=None, serialization_alias="theValue")


INSTANT = datetime(2026, 1, 2, 3, 4, 5, 600_000, tzinfo=UTC)
VALUES: list[Any] = [
    UUID(int=7),
    INSTANT,
    INSTANT.astimezone(ZoneInfo("Europe/London")),
    INSTANT.astimezone(timezone(timedelta(hours=-3, minutes=-30))),
    datetime(2026, 1, 2),
    date(2026, 1, 2),
    time(3, 4),
    time(3, 4, tzinfo=UTC),
    Decimal("1.50"),
    Decimal("1E+5"),
    Color.RED,
    Color.SINCE,
    Level.HIGH,
    Kind.CAT,
    (1, 2),
    Point(1, 2),
    OrderedDict(a=1),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_is_written_as_pydantic_writes_it(value: Any) -> None:
    written = TypeAdapter(Any).dump_python(value, mode="json")
    for payload in ({"value": value}, Attrs(value), Data(value), {"value": [{"deep": value}]}):
        found = json.loads(encode_payload(payload))["value"]
        assert found == ([{"deep": written}] if isinstance(found, list) and found != written else written)


@given(
    st.datetimes(timezones=st.just(UTC) | st.none()) | st.dates() | st.times() | st.decimals() | st.uuids()
)
def test_any_such_value_is_written_as_pydantic_writes_it(value: Any) -> None:
    written = TypeAdapter(Any).dump_python(value, mode="json")
    assert json.loads(encode_payload({"value": value})) == {"value": written}


PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)


@given(st.dictionaries(st.text(), PLAIN | st.text()))
def test_a_plain_copy_is_what_is_read_again(payload: dict[str, Any]) -> None:
    copy, read = plain_copy(payload), json.loads(encode_payload(payload))
    assert copy == read
    assert [*map(type, payload.values())] == [*map(type, read.values())]


@pytest.mark.parametrize(
    "payload", [{"a": []}, {"a": Kind.CAT}, {"a": Level.HIGH}, {Kind.CAT: 1}, {1: 1}, OrderedDict(a=1), 1]
)
def test_of_what_is_written_otherwise_there_is_no_plain_copy(payload: Any) -> None:
    assert plain_copy(payload) is None


def test_text_that_is_json_is_left_as_it_is() -> None:
    assert encode_payload(JsonText(b'{ "a": 1 }')) == b'{ "a": 1 }'


def circle() -> dict[str, Any]:
    made: dict[str, Any] = {}
    made["a"] = [{"b": made}]
    return made


def model_of_itself() -> Any:
    made = Data(None)
    made.value = {"self": made}
    return made


def deep() -> dict[str, Any]:
    made: dict[str, Any] = {}
    for _ in range(sys.getrecursionlimit() * 20):
        made = {"a": made}
    return made


class Odd:
    def __repr__(self) -> str:
        raise RuntimeError("no")


REFUSED: list[tuple[Any, str, str]] = [
    ({"a": b"x"}, "/a", "its type is bytes; write it as text, base64 for instance"),
    (Attrs(b"x"), "/value", "its type is bytes"),
    (Data([1, {"z/~": bytearray()}]), "/value/1/z~1~0", "its type is bytearray"),
    ({"a": [Data(Attrs(memoryview(b"")))]}, "/a/0/value/value", "its type is memoryview"),
    (
        {"a": [Model(value=b"\xff")]},
        "/a/0/theValue",
        "bytes in the model Model can't be written as JSON; write it as text, base64 for instance (ser_json_",
    ),
    (Model(value=object()), "/theValue", "object in the model Model can't be written as JSON"),
    ({"a": {1, 2}}, "/a", "its type is set, which has no order; make it a list"),
    ({"a": frozenset()}, "/a", "its type is frozenset, which has no order"),
    ({"a": timedelta(1)}, "/a", "its type is timedelta, which has no JSON form"),
    ({"a": Odd()}, "/a", "its type is Odd, which has no JSON form"),
    ({"a": Model}, "/a", "its type is ModelMetaclass, which has no JSON form"),
    ({"a": float("nan")}, "/a", "it is nan, which is no JSON number"),
    ({"a": [0, float("-inf")]}, "/a/1", "it is -inf, which is no JSON number"),
    ({"a": 10**5_000}, "/a", "it has too many digits"),
    ({"b": 1, 1: 2}, "/1", "its key is int, not text"),
    ({"a": {"b": {None: 1}}}, "/a/b/None", "its key is NoneType, not text"),
    ({"a": [OrderedDict({2: 3})]}, "/a/0/2", "its key is int, not text"),
    ({"a": MappingProxyType({3: 4})}, "/a/3", "its key is int, not text"),
    ({"a": [Attrs({4: 5})]}, "/a/0/value/4", "its key is int, not text"),
    ({"a": {UUID(int=1): 1}}, f"/a/{UUID(int=1)!r}", "its key is UUID, not text"),
    ({Odd(): 1}, "/Odd", "its key is Odd, not text"),
    ({"a": ["x", "\ud800"]}, "/a/1", "it has a lone surrogate"),
    ({"a": {"\ud800": 1}}, "/a/?", "its key has a lone surrogate"),
    (circle(), "/a/0/b", "it holds itself"),
    (model_of_itself(), "/value/self", "it holds itself"),
    (deep(), "", "it is nested too deeply"),
    ([1], "", "its type is list"),
    (None, "", "its type is NoneType; give a dict, or an instance of an attrs class"),
    (object(), "", "its type is object; give a dict, or an instance of an attrs class"),
    (
        5,
        "",
        (
            "its type is int; give a dict, or an instance of an attrs class, a dataclass or a Pydantic "
            'model; a body that is no object is given as {"$body": ...}'
        ),
    ),
    (Color.RED, "", "its type is Color"),
    (Model, "", "its type is ModelMetaclass"),
    (RootModel[list[int]]([1]), "", "its type is RootModel[list[int]], which is written as list"),
]


@pytest.mark.parametrize(
    ("payload", "pointer", "problem"), REFUSED, ids=[f"{pointer} {text}" for _, pointer, text in REFUSED]
)
def test_what_is_no_json_is_named(payload: Any, pointer: str, problem: str) -> None:
    with pytest.raises(PayloadNotJson) as caught:
        encode_payload(payload)
    assert caught.value.pointer == pointer
    assert caught.value.problem.startswith(problem)
    assert "\n" not in str(caught.value)
    assert str(caught.value).encode()


@pytest.mark.parametrize("define", [dataclasses.dataclass(init=False), attrs.define(init=False)])
def test_a_field_that_was_never_set_is_named(define: Any) -> None:
    with pytest.raises(PayloadNotJson, match="it was never set in the model Unset") as caught:
        encode_payload({"a": [define(Unset)()]})
    assert caught.value.pointer == "/a/0/value"


def test_what_a_model_s_own_serializer_says_is_not_repeated() -> None:
    class Secret(BaseModel):
        token: str

        @field_serializer("token")
        def hide(self, value: str) -> str:
            raise ValueError(f"{value} is no token")

    with pytest.raises(PayloadNotJson, match="/token: str in the model Secret") as caught:
        encode_payload(Secret(token="s3cret"))
    assert "s3cret" not in str(caught.value)
    assert "s3cret" in str(caught.value.__cause__.__cause__)  # type: ignore[union-attr]  # it is chained
