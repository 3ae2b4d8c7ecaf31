"""New jobs are checked as the outboxes take them; nothing is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sp00ky_core.backend import load_backends
from sp00ky_core.config import load_config
from sp00ky_core.enqueue import EnqueueChecks, Transaction, check_given, new_job_of
from sp00ky_core.errors import CallUnsupported, OptionInvalid, UnknownBackend, UnknownRoute
from sp00ky_core.job import NewJob
from sp00ky_core.plugins.registry import Plugins
from sp00ky_core.ports import StoreOptions
from sp00ky_core.stores.memory.store import MemoryStore

SPEC = '{"openapi": "3.1.0", "info": {"title": "api", "version": "1"}, "paths": {"/a": {"post": {}}}}'
BACKEND = "{spec: openapi.json, baseUrl: 'http://127.0.0.1:1', method: {table: job}, retry: {maxRetries: 7}}"


@pytest.fixture
def checks(tmp_path: Path) -> EnqueueChecks:
    (tmp_path / "openapi.json").write_text(SPEC)
    (tmp_path / "sp00ky.yml").write_text(f"backends: {{api: {BACKEND}}}\n")
    backends = load_backends(load_config(tmp_path / "sp00ky.yml"), frozenset({"linear"}))
    store = MemoryStore(StoreOptions(url="memory://", tables=(backends["api"].table,)))
    return EnqueueChecks(backends=backends, hooks=Plugins().hooks(), store=store)


def test_a_lost_transaction_is_no_missing_one() -> None:
    check_given(Transaction.OWN)
    check_given(object())
    with pytest.raises(OptionInvalid, match="connection is None"):
        check_given(None)


def test_a_job_gets_its_backend_and_that_s_defaults(checks: EnqueueChecks) -> None:
    one = checks.one("api", new_job_of("/a", None, {"priority": 2}))
    (same,) = checks.checked("api", [NewJob(path="/a", priority=2)])
    assert one == same
    assert (one.backend, one.payload_json, one.max_retries, one.priority) == ("api", b"{}", 7, 2)


def test_a_misspelt_option_is_named_with_the_nearest() -> None:
    misspelt: Any = {"priority": 1, "dedupkey": "k"}
    with pytest.raises(TypeError, match=r"^a job has no option 'dedupkey'; did you mean 'dedup_key'\?$"):
        new_job_of("/a", None, misspelt)


def test_what_the_contract_has_not_is_refused(checks: EnqueueChecks) -> None:
    with pytest.raises(UnknownBackend):
        checks.one("none", NewJob(path="/a"))
    with pytest.raises(UnknownRoute):
        checks.checked("api", [NewJob(path="/a"), NewJob(path="/b")])


@pytest.mark.parametrize("given", [7, [7], [NewJob(path="/a", backend="mail")]])
def test_what_is_no_job_of_this_backend_is_named(checks: EnqueueChecks, given: Any) -> None:
    with pytest.raises(OptionInvalid, match="new_jobs"):
        checks.checked("api", given)


def test_a_store_without_statements_says_what_to_use(checks: EnqueueChecks) -> None:
    with pytest.raises(CallUnsupported, match="pass your connection"):
        checks.statement("api", NewJob(path="/a"), None)
    with pytest.raises(CallUnsupported, match="pass your connection"):
        checks.statement("api", NewJob(path="/a"), "numeric")
