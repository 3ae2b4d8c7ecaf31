"""``check`` finds what keeps schedules from making jobs."""

from __future__ import annotations

import pytest
import yaml
from tests.core.scheduler.conftest import Bench
from tests.core.two_backends import SPEC

from sp00ky_core import Outbox, TimeoutIgnored


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
async def test_what_would_make_each_fire_fail(bench: Bench, keys: str, problem: str) -> None:
    outbox = bench.outbox(f"{{tick: {{every: 60s, {keys}}}}}")
    (finding,) = await outbox.schedules.check()
    assert (finding.stops_jobs, finding.subject) == (True, "schedule tick")
    assert problem in finding.problem


async def test_a_payload_that_breaks_the_contract_is_found_where_no_row_is_in_it(bench: Bench) -> None:
    outbox = bench.outbox("{tick: {every: 60s, backend: api, route: /a, payload: {id: 1}}}")
    document = yaml.safe_load(SPEC)
    schema = {"type": "object", "properties": {"id": {"type": "string"}}}
    document["paths"]["/a"]["post"]["requestBody"] = {"content": {"application/json": {"schema": schema}}}
    (bench.folder / "openapi.yml").write_text(yaml.safe_dump(document))
    (finding,) = await Outbox.open(bench.folder / "sp00ky.yml").schedules.check()
    assert (finding.stops_jobs, finding.subject) == (True, "schedule tick")
    assert "/id" in finding.problem
    assert await outbox.schedules.check() == []


async def test_a_timeout_without_effect_is_a_warning_that_names_the_schedule(bench: Bench) -> None:
    outbox = bench.outbox("{tick: {every: 60s, backend: api, route: /a, timeout: 5}}")
    (finding,) = await outbox.schedules.check()
    assert (finding.stops_jobs, finding.subject) == (False, "schedule tick")
    with pytest.warns(TimeoutIgnored, match="the timeout of schedule 'mine' has no effect"):
        await outbox.schedules.define("mine", every=60, backend="api", route="/a", timeout=5)


async def test_nothing_is_found_where_nothing_is_wrong(bench: Bench) -> None:
    outbox = bench.outbox("{tick: {every: 60s, backend: api, route: /a, forEach: {query: '[]'}}}")
    assert await outbox.schedules.check() == []
