"""A route that is new in a rolling deploy: runners with the old document leave its jobs to newer ones."""

import json
from pathlib import Path
from typing import Any

import attrs
import pytest
from tests.core.runner.conftest import FAST, Bench

from sp00ky_conformance.cancellation import turns
from sp00ky_core.backend import load_backends
from sp00ky_core.job import JobStatus, NewJob
from sp00ky_core.runner import Runner

ROLLING = {"route_delay": 0.02, "route_wait": 3_600.0}


def runner_with(bench: Bench, spec: Path, **options: Any) -> Runner:
    """A runner that has read another document of the backend ``api``."""
    api = attrs.evolve(bench.config.backends["api"], spec=spec)
    backends = load_backends(
        attrs.evolve(bench.config, backends={"api": api}), frozenset(bench.plugins.strategies)
    )
    return Runner(
        store=bench.store,
        backends=backends,
        transports=dict.fromkeys(backends, bench.transport),
        hooks=bench.plugins.hooks(),
        strategies=bench.plugins.strategies,
        options=attrs.evolve(FAST, **{**ROLLING, **options}),
    )


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    """The document of ``make_bench`` with one more route."""
    operation = {"post": {"responses": {"200": {"description": "ok"}}}}
    paths = dict.fromkeys(("/spookify", "/chat", "/new"), operation)
    spec = tmp_path / "newer.json"
    spec.write_text(
        json.dumps({"openapi": "3.1.0", "info": {"title": "api", "version": "2"}, "paths": paths})
    )
    return spec


async def test_an_old_runner_leaves_a_new_route_to_those_that_know_it(make_bench, newer: Path) -> None:
    bench = await make_bench()
    older = bench.config.backends["api"].spec
    async with runner_with(bench, older) as old, runner_with(bench, newer, poll=3_600) as new:
        await until_seen(bench, old, new)
        jobs = await bench.store.add([NewJob(path="/new", backend="api", max_retries=0) for _ in range(30)])
        for job in jobs:
            ended = await bench.ended(job)
            assert (ended.status, ended.retries, ended.errors) == (JobStatus.SUCCESS, 0, ())


async def test_a_runner_that_has_just_begun_to_beat_is_seen_in_time(make_bench, newer: Path) -> None:
    bench = await make_bench()
    older = bench.config.backends["api"].spec
    new = runner_with(bench, newer)
    async with runner_with(bench, older, beat_interval=0.4) as old:
        await old._beat.next(within=60)  # its view of the others is as old as it gets
        await new._beat.beat()
        jobs = [await bench.add("/new", max_retries=each % 2) for each in range(6)]
        await until_seen(bench, old, new)
        for job in jobs:
            seen = await bench.until(job, lambda now: now.deferred_since is not None or now.is_terminal)
            assert (seen.is_terminal, seen.retries, seen.errors) == (False, 0, ())


async def test_an_unknown_route_fails_once_a_newer_look_at_the_others_found_no_one(make_bench) -> None:
    bench = await make_bench()
    older = bench.config.backends["api"].spec
    async with runner_with(bench, older, route_delay=60) as alone:
        ended = await bench.ended(await bench.add("/new", max_retries=0))
    assert [each.name for each in ended.errors] == ["unknown_route"]
    assert ended.lease_epoch >= 2
    assert alone._beat.beating() == [alone.runner_id]


async def test_a_job_does_not_wait_for_ever(make_bench, newer: Path) -> None:
    bench = await make_bench()
    older = bench.config.backends["api"].spec
    new = runner_with(bench, newer)
    async with runner_with(bench, older, route_wait=0.05) as old:
        await new._beat.beat()
        await until_seen(bench, old, new)
        ended = await bench.ended(await bench.add("/new", max_retries=1))
    assert (ended.status, {each.name for each in ended.errors}) == (JobStatus.FAILED, {"unknown_route"})


async def test_runners_say_what_they_have_read(make_bench, newer: Path) -> None:
    bench = await make_bench()
    async with runner_with(bench, newer) as new:
        info = (await bench.store.beat("somebody"))[new.runner_id].info
    (backend,) = load_backends(
        attrs.evolve(bench.config, backends={"api": attrs.evolve(bench.config.backends["api"], spec=newer)}),
        frozenset(bench.plugins.strategies),
    ).values()
    assert info.documents == {"api": backend.document}
    assert backend.document != backend.contract.digest  # 0.2's: so it waits with what it can't read
    assert info.version


async def until_seen(bench: Bench, *runners: Runner) -> None:
    """Return once the first of the runners has seen the others beat."""
    while len(runners[0]._beat.beating()) < len(runners):
        await turns(1)
