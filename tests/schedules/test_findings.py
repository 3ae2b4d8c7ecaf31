"""``check`` finds what keeps schedules from making jobs."""

from datetime import timedelta
from typing import Any

import pytest
import yaml
from tests.core.two_backends import SPEC
from tests.schedules.bench import Bench

from sp00ky_core import Outbox, TimeoutIgnored
from sp00ky_schedules import Schedules
from sp00ky_schedules.model.records import RunStatus


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ("backend: none, route: /a", "none"),
        ("backend: api, route: /none", "no route '/none'"),
        ("backend: api, route: /none, forEach: {query: '[]'}", "no route '/none'"),
        ("backend: api, route: /a, forEach: {query: SELECT}", "the query is refused"),
        ("backend: api, route: /a, forEach: {query: '[{\"a\": 1}]'}", "its query gives no field 'id'"),
        ("backend: api, route: /a, retry: {strategy: odd}", "odd"),
        ("backend: api, route: /a, retry: {strategy: odd}, forEach: {query: '[]'}", "odd"),
    ],
)
async def test_what_would_make_each_fire_fail(timer: Bench, keys: str, problem: str) -> None:
    outbox = timer.outbox(f"{{tick: {{every: 60s, {keys}}}}}")
    (finding,) = await outbox.extension(Schedules).check()
    assert (finding.stops_jobs, finding.subject) == (True, "schedule tick")
    assert problem in finding.problem


ID = {"id": {"type": "string"}}
STRICT = {"type": "object", "properties": ID, "additionalProperties": False}
ROW = {"type": "object", "required": ["id"], "properties": ID}
WITH_ROW = {
    "oneOf": [{"type": "object", "required": ["row"], "properties": {"row": ROW, "kind": {"type": "string"}}}]
}
QUERY = [{"name": "q", "in": "query", "schema": {"type": "string"}}]
BESIDE = [{"name": "row", "in": "header", "required": True, "schema": {"type": "string"}}]
ROWS = 'forEach: {query: \'[{"id": "1"}]\'}'


def body(schema: object, media_type: str = "application/json") -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {media_type: {"schema": schema}}}}


@pytest.mark.parametrize(
    ("keys", "method", "operation", "problem"),
    [
        ("payload: {id: 1}", "post", body({"properties": ID}), "/id"),
        (f"payload: {{id: 1}}, {ROWS}", "post", body({"properties": ID}), "/id"),
        (f"payload: {{id: a}}, {ROWS}", "post", body({"properties": ID}), None),
        (ROWS, "post", body(STRICT), "can't take: /row: unknown property; let the document"),
        (
            f"payload: {{$body: {{}}}}, {ROWS}",
            "post",
            body(STRICT),
            "POST /a can't take: /$body/row: unknown property",
        ),
        (ROWS, "post", body(WITH_ROW), None),
        (f"payload: {{$body: {{kind: a}}}}, {ROWS}", "post", body(WITH_ROW), None),
        (f"payload: {{$body: [1]}}, {ROWS}", "post", body({}), "/row: use the explicit form: "),
        (
            ROWS,
            "post",
            {**body({"properties": {"row": ROW}}), "parameters": BESIDE},
            "/$header/row: it is missing",
        ),
        (f"payload: {{$header: {{row: a}}}}, {ROWS}", "post", {**body(WITH_ROW), "parameters": BESIDE}, None),
        (ROWS, "post", body({"type": "string"}, "text/plain"), "/row: use the explicit form: "),
        (
            ROWS,
            "get",
            {"parameters": QUERY},
            "GET /a can't take: /row: the operation declares no such parameter",
        ),
        (
            ROWS,
            "get",
            {"parameters": [{**QUERY[0], "name": "row"}]},
            "can't take: /row: the value is not of type",
        ),
        (ROWS, "delete", {}, "DELETE /a can't take: /row: the operation declares no such parameter"),
        (ROWS, "post", {}, None),
    ],
)
async def test_a_payload_that_cannot_be_right_is_found_and_fires_as_it_is_said(
    timer: Bench, keys: str, method: str, operation: dict[str, Any], problem: str | None
) -> None:
    timer.outbox(f"{{tick: {{every: 60s, backend: api, route: {method.upper()} /a, {keys}}}}}")
    document = yaml.safe_load(SPEC)
    document["paths"]["/a"] = {method: operation}
    (timer.folder / "openapi.yml").write_text(yaml.safe_dump(document))
    outbox = Outbox.open(timer.folder / "sp00ky.yml")
    found = await outbox.extension(Schedules).check()
    assert [(finding.stops_jobs, finding.subject) for finding in found] == [(True, "schedule tick")] * (
        problem is not None
    )
    assert problem is None or problem in found[0].problem
    async with outbox:
        await outbox.extension(Schedules).sync()
        (run,) = await outbox.extension(Schedules).trigger("tick")
        assert (run.status is RunStatus.FAILED) == (problem is not None), run


async def test_a_timeout_without_effect_is_a_warning_that_names_the_schedule(timer: Bench) -> None:
    outbox = timer.outbox("{tick: {every: 60s, backend: api, route: /a, timeout: 5}}")
    (finding,) = await outbox.extension(Schedules).check()
    assert (finding.stops_jobs, finding.subject) == (False, "schedule tick")
    with pytest.warns(TimeoutIgnored, match="the timeout of schedule 'mine' has no effect"):
        await outbox.extension(Schedules).define("mine", every=60, backend="api", route="/a", timeout=5)


async def test_nothing_is_found_where_nothing_is_wrong(timer: Bench) -> None:
    outbox = timer.outbox("{tick: {every: 60s, backend: api, route: /a, forEach: {query: '[]'}}}")
    assert await outbox.extension(Schedules).check() == []


async def test_a_fire_that_is_overdue_is_named_listed_and_measured(timer: Bench) -> None:
    outbox = timer.outbox("{tick: {every: 60s, backend: api, route: /a}}")
    schedules = outbox.extension(Schedules)
    await schedules.sync()
    timer.clock.move(60 + 59)
    assert ((await schedules.get("tick")).late_by, await schedules.check()) == (None, [])
    assert "sp00ky_schedule_late_seconds{" not in await outbox.metrics()
    timer.clock.move(1)
    (finding,) = await schedules.check()
    assert (finding.subject, finding.problem) == ("schedule tick", "its fire is overdue by 60 s")
    assert (await schedules.get("tick")).late_by == timedelta(seconds=60)
    measured = await timer.outbox("{tick: {every: 60s, backend: api, route: /a}}").metrics()
    assert 'sp00ky_schedule_late_seconds{schedule="tick"} 60.0' in measured
    await timer.fire(outbox)
    assert await schedules.check() == []


async def test_one_that_is_paused_is_never_late(timer: Bench) -> None:
    outbox = timer.outbox("{tick: {every: 60s, backend: api, route: /a}}")
    schedules = outbox.extension(Schedules)
    await schedules.sync()
    await schedules.pause("tick")
    timer.clock.move(3_600)
    assert ((await schedules.get("tick")).late_by, await schedules.check()) == (None, [])
