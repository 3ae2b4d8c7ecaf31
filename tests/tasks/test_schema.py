"""Types that arguments and results may have, and what is refused, in one line."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, TypedDict
from uuid import UUID

import attrs
import pydantic
import pytest
from tests.tasks.conftest import Project

from sp00ky_core import PayloadInvalid
from sp00ky_tasks import Task, TaskProblem, Tasks
from sp00ky_tasks.schema import Refused


class Kind(Enum):
    CARD = "card"


@attrs.frozen
class Card:
    no: str
    expires: date | None = None


@dataclass
class Iban:
    iban: str
    of: Card | None = None


@attrs.frozen
class Box:
    boxes: "list[Box]" = attrs.field(factory=list)


class Line(TypedDict):
    sku: str
    card: Card


class Model(pydantic.BaseModel):
    n: int = pydantic.Field(gt=0)


ID = UUID("7887db19-f3f1-4f19-9b48-e9766518c13c")
NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)

VALUES: list[tuple[Any, Any]] = [
    (int, 7),
    (float, 1.5),
    (str | None, None),
    (int | str, "x"),
    (Literal["a", "b"], "b"),
    (Kind, Kind.CARD),
    (datetime, NOW),
    (date, NOW.date()),
    (UUID | str, ID),
    (Decimal, Decimal("1.20")),
    (Card, Card("1", date(2030, 1, 1))),
    (Iban | Card, Iban("i", Card("2"))),
    (Iban | Card, Card("2")),
    (Line, {"sku": "x", "card": Card("3")}),
    (list[Line], [{"sku": "x", "card": Card("3")}]),
    (Box, Box([Box(), Box([Box()])])),
    (dict[str, tuple[int, ...]], {"a": (1, 2)}),
    (Model, Model(n=1)),
]


def task_of(kind: Any, **hints: Any) -> Task[..., Any]:
    def function(value, other=0): ...  # type: ignore[no-untyped-def]

    function.__annotations__ = {"value": kind, "other": int, "return": kind, **hints}
    return Tasks("shop").task(function)


@pytest.mark.parametrize(("kind", "value"), VALUES, ids=str)
def test_arguments_and_results_keep_their_types(kind: Any, value: Any) -> None:
    signature = task_of(kind).signature
    assert signature.load(signature.dump({"value": value})) == {"value": value}
    assert signature.result.validate_json(signature.dump_result(value), strict=True) == value


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b'{"value": "7"}', "/value: Input should be a valid integer"),
        (b'{"other": 1}', "/value: Field required"),
        (b'{"value": 1, "more": 2}', "/more: Extra inputs are not permitted"),
        (b'{"value": NaN}', "/value: "),
        (b"[1]", ": Input should be an object"),
    ],
)
def test_what_does_not_fit_is_refused_without_its_value(text: bytes, says: str) -> None:
    with pytest.raises(Refused) as caught:
        task_of(int).signature.load(text)
    assert str(caught.value).startswith(says)


async def test_what_is_enqueued_is_held_against_the_same_schema(project: Project) -> None:
    shop = project.write(
        "from dataclasses import dataclass\n@dataclass\nclass Item:\n    sku: str\n"
        "@tasks.task\ndef ship(item: Item, count: int = 1) -> None: ..."
    )
    async with project.outbox() as outbox:
        await shop.ship.enqueue(outbox, shop.Item("a"))
        with pytest.raises(PayloadInvalid, match='/count: the value is not of type "integer"'):
            await outbox.run("shop", "/ship", {"item": {"sku": "a"}, "count": "x"})
        with pytest.raises(PayloadInvalid, match="/item/sku: it is missing"):
            await outbox.run("shop", "/ship", {"item": {}})


@pytest.mark.parametrize("kind", [type("Opaque", (), {}), Callable, Callable[[int], str], "Nope", 7])
def test_an_annotation_without_a_schema_is_named(kind: Any) -> None:
    with pytest.raises(TaskProblem, match=r"function: an annotation has no schema: \w+: ") as caught:
        task_of(kind).signature  # noqa: B018
    assert "\n" not in str(caught.value)


def test_a_default_that_its_type_refuses_is_named() -> None:
    with pytest.raises(TaskProblem, match="the type of 'other' refuses its default"):
        task_of(int, other=str).signature  # noqa: B018


def test_what_has_no_annotation_is_any_json_value() -> None:
    def function(value): ...  # type: ignore[no-untyped-def]

    signature = Tasks("shop").task(function).signature
    assert (signature.untyped, signature.load(b'{"value": [{}]}')) == (["value"], {"value": [{}]})
