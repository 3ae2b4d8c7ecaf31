"""What a backend says to a transport that isn't HTTP: its section, its credentials, its contract."""

import logging
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

from sp00ky_core import (
    Attempt,
    BackendConfig,
    Delivered,
    NewJob,
    Outbox,
    Outcome,
    Secret,
    TransportEntry,
    Undelivered,
    hookimpl,
    load_config,
)
from sp00ky_core.cli.output import job_lines
from sp00ky_core.config import key
from sp00ky_core.config import values as read
from sp00ky_core.errors import ConfigError, PayloadInvalid, Sp00kyError, UnknownRoute
from sp00ky_core.job.job import job_to_json
from sp00ky_core.plugins.registry import Plugins
from sp00ky_core.testing import ScriptedTransport
from sp00ky_store_kit import memory as core_stores

NO_ROUTE = Undelivered(scheme="amqp", code=312, name="no_route", reason="NO_ROUTE", retryable=False)


@attrs.frozen(kw_only=True)
class Exchange:
    """The section ``amqp:`` of a backend."""

    routes: tuple[str, ...] = attrs.field(metadata=key(read.listed(read.text, "[/orders/paid]")))
    mandatory: bool = attrs.field(default=True, metadata=key(read.boolean))
    password: Secret | None = attrs.field(default=None, metadata=key(read.secret, secret=True))
    certificate: Path = attrs.field(default=Path("ca.pem"), metadata=key(read.path))


class Broker(ScriptedTransport):
    """Delivers to what its section lists."""

    prepared: tuple[BackendConfig, ...] = ()
    problem: str = ""

    async def prepare(self, backend: BackendConfig) -> None:
        self.prepared += (backend,)
        if self.problem:
            raise Sp00kyError(self.problem)


def answered(attempt: Attempt) -> Outcome:
    if attempt.job.path not in attempt.backend.options.routes:
        return Undelivered(name="unknown_route", reason="it isn't listed", retryable=False)
    return NO_ROUTE if attempt.job.path == "/orders/lost" else Delivered(code=0, scheme="amqp")


class Registering:
    """A plugin that brings the transport, for two schemes."""

    def __init__(self, **traits: Any) -> None:
        self.broker = Broker(answered)
        fields: dict[str, Any] = {
            "scheme": "amqp",
            "options": Exchange,
            "credentials": frozenset({"basic"}),
            "contract": "none",
        }
        self.entry = TransportEntry(make=lambda: self.broker, **(fields | traits))

    @hookimpl
    def sp00ky_register_transports(self) -> dict[str, Any]:
        return {"amqp": self.entry, "amqps": self.entry, "http": ScriptedTransport}


def plugins_with(brought: Registering) -> Plugins:
    plugins = Plugins()
    plugins.register(core_stores, name="core", distribution="sp00ky-core")
    plugins.register(brought, name="amqp", distribution="test")
    return plugins


Load = Callable[..., BackendConfig]
URL = "amqps://broker.test"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "sp00ky.yml"


@pytest.fixture
def load(file: Path) -> Load:
    def loaded(
        keys: str, url: str = URL, brought: Registering | None = None, **environ: str
    ) -> BackendConfig:
        file.write_text(f"backends: {{api: {{baseUrl: '{url}', method: {{}}, {keys}}}}}")
        plugins = plugins_with(brought or Registering())
        return load_config(file, environ, plugins=plugins).backends["api"]

    return loaded


def test_the_section_is_read_into_the_transports_class(load: Load, file: Path) -> None:
    backend = load(
        "amqp: {routes: [/orders/paid, '${ROUTE}'], password: '${SECRET}'}", ROUTE="/b", SECRET="s3cr3t"
    )
    assert backend.options == Exchange(
        routes=("/orders/paid", "/b"), password=Secret("s3cr3t"), certificate=file.parent / "ca.pem"
    )
    assert (backend.scheme, backend.transport_name, backend.spec) == ("amqp", "amqps", None)
    assert "s3cr3t" not in repr(backend)


@pytest.mark.parametrize(
    ("keys", "at", "says"),
    [
        ("", ".amqp", "it has no `routes`"),
        ("amqp: {}", ".amqp", "it has no `routes`"),
        ("amqp: [x]", ".amqp", "expected a mapping (routes, mandatory, password, certificate)"),
        ("amqp: {route: [/x]}", ".amqp", "unknown key 'route'; did you mean 'routes'?"),
        ("amqp: {routes: [/x], mandatory: 'no'}", ".amqp.mandatory", "expected true or false"),
        ("amqp: {routes: /x}", ".amqp.routes", "expected a list"),
        ("ampq: {routes: [/x]}", "", "unknown key 'ampq'; did you mean 'amqp'?"),
        ("amqp: {routes: [/x]}, auth: {token: s3cr3t}", ".auth.type", "the transport amqps sends basic only"),
    ],
)
def test_what_is_wrong_is_said_with_its_key(load: Load, keys: str, at: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(keys)
    assert caught.value.key == f"backends.api{at}"
    assert says in caught.value.problem
    assert "s3cr3t" not in str(caught.value)


def test_a_section_of_another_transport_is_refused(load: Load, file: Path) -> None:
    with pytest.raises(ConfigError, match=r"amqp: its transport is http, which doesn't read it; remove it"):
        load("spec: api.yml, amqp: {routes: [/x]}", url="http://x.test")


def test_a_transport_without_credentials_takes_none(load: Load) -> None:
    with pytest.raises(ConfigError, match=r"auth: the transport amqps sends no credentials; remove it"):
        load("amqp: {routes: [/x]}, auth: {token: x}", brought=Registering(credentials=frozenset()))


def test_a_variable_that_is_not_set_is_an_error_of_what_delivers(load: Load, file: Path) -> None:
    load("amqp: {routes: [/x], password: '${ABSENT}'}")
    unset = load_config(file, {}, plugins=plugins_with(Registering())).unset
    assert list(unset) == ["backends.api.amqp.password"]


def test_a_backend_that_needs_a_document_and_has_none_is_left_out(load: Load, file: Path) -> None:
    with pytest.raises(KeyError):
        load("amqp: {routes: [/x]}", brought=Registering(contract="openapi"))
    plugins = plugins_with(Registering(contract="openapi"))
    assert load_config(file, {}, plugins=plugins).left_out == {"api": "it has no `spec`"}
    assert "no transport is installed for 'amqps'" in load_config(file, {}, plugins=Plugins()).left_out["api"]


# --- at work ---


@pytest.fixture
def brought() -> Registering:
    return Registering()


@pytest.fixture
def outbox(load: Load, file: Path, brought: Registering) -> Outbox:
    load("amqp: {routes: [/orders/paid, /orders/lost]}")
    return Outbox.open(file, store="memory://", plugins=plugins_with(brought))


async def test_without_a_contract_any_path_and_object_is_enqueued_and_the_transport_decides(
    outbox: Outbox, brought: Registering
) -> None:
    async with outbox:
        for path in ("/orders/paid", "/orders/lost", "/elsewhere"):
            await outbox.run("api", path, {"any": ["thing"]}, max_retries=0)
        async with outbox.runner() as runner:
            await runner.until_empty()
        jobs = {job.path: job for job in await outbox.find(limit=3)}
        (group,) = [group for group in await outbox.errors() if group.code]
    assert [backend.name for backend in brought.broker.prepared] == ["api"]
    assert jobs["/orders/paid"].status == "success"
    (lost,), (elsewhere,) = jobs["/orders/lost"].errors, jobs["/elsewhere"].errors
    assert (lost.scheme, lost.code, lost.name, str(lost)) == ("amqp", 312, "no_route", "AMQP 312: NO_ROUTE")
    assert (elsewhere.scheme, str(elsewhere)) == ("http", "unknown_route: it isn't listed")
    assert (group.scheme, str(group)) == ("amqp", "AMQP 312")
    assert "no_route AMQP 312: NO_ROUTE (waited " in list(job_lines(jobs["/orders/lost"]))[-1]
    assert job_to_json(jobs["/orders/lost"])["errors"][0]["scheme"] == "amqp"
    assert "scheme" not in job_to_json(jobs["/elsewhere"])["errors"][0]


async def test_what_no_path_or_payload_can_be_is_refused_all_the_same(outbox: Outbox) -> None:
    async with outbox:
        for path in ("//evil.test/x", "/../x", "/a\r\nb"):
            with pytest.raises(UnknownRoute):
                await outbox.run("api", path, {})
        with pytest.raises(PayloadInvalid):
            await outbox.run("api", "/orders/paid", {"$body": [1], "x": 1})


async def test_logs_name_the_scheme(outbox: Outbox, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with outbox:
        await outbox.run("api", "/orders/lost", {})
        async with outbox.runner() as runner:
            await runner.until_empty()
    assert re.search(r"failed: attempt 1: no_route: AMQP 312", caplog.text)
    assert "HTTP" not in caplog.text


async def test_what_it_cannot_prepare_keeps_a_runner_from_starting(
    outbox: Outbox, brought: Registering
) -> None:
    brought.broker.problem = "the exchange orders isn't there"
    async with outbox:
        with pytest.raises(ConfigError, match=r"\Abackends\.api: the exchange orders isn't there\Z"):
            await outbox.runner().start()
    assert not brought.broker.is_open


# --- a contract of the transport's own ---

SCHEMA = {"required": ["id"], "type": "object"}
OPERATION = {"requestBody": {"content": {"application/json": {"schema": SCHEMA}}}}
DOCUMENT = {"openapi": "3.1.0", "paths": {"/paid": {"post": OPERATION}}}


async def test_an_own_contract_is_read_when_it_is_first_needed_not_to_look_at_jobs(
    load: Load, file: Path
) -> None:
    asked: list[str] = []

    def document(backend: BackendConfig) -> Mapping[str, Any]:
        asked.append(backend.name)
        return DOCUMENT

    brought = Registering(options=None, contract="own", document=document)
    load("timeout: 5", brought=brought)
    async with Outbox.open(file, store="memory://", plugins=plugins_with(brought)) as outbox:
        await outbox.stats()
        await outbox.store.add([NewJob(path="POST /paid", backend="api")])
        (job,) = await outbox.find(path="POST /paid")
        await outbox.kill(job.id)
        assert (job.path, asked) == ("POST /paid", [])
        with pytest.raises(PayloadInvalid, match="it is missing"):
            await outbox.run("api", "POST /paid", {})
        with pytest.raises(UnknownRoute):
            await outbox.run("api", "/elsewhere", {})
        await outbox.run("api", "/paid", {"id": 1})
        assert asked == ["api"]
        assert [job.path for job in await outbox.find(path="POST /paid")] == ["/paid", "/paid"]


def test_an_application_shares_no_table_without_a_document(load: Load, file: Path) -> None:
    def document(_: BackendConfig) -> Mapping[str, Any]:
        raise AssertionError("it is read")

    brought = Registering(options=None, contract="own", document=document)
    backend = f"{{baseUrl: '{URL}', method: {{type: outbox, table: job}}}}"
    file.write_text(f"backends: {{api: {backend}, other: {backend}}}")
    says = r"'api' or 'other' has its contract in its application; give it a `spec`, or each backend a table"
    with pytest.raises(ConfigError, match=says):
        Outbox.open(file, store="memory://", plugins=plugins_with(brought))


async def test_a_document_of_its_own_that_is_none_is_an_error_in_one_line(load: Load, file: Path) -> None:
    brought = Registering(options=None, contract="own", document=lambda _: {"openapi": "1"})
    load("timeout: 5", brought=brought)
    async with Outbox.open(file, store="memory://", plugins=plugins_with(brought)) as outbox:
        with pytest.raises(ConfigError, match=r"\Aamqps://broker\.test: openapi: [^\n]+\Z"):
            await outbox.run("api", "/paid", {})
