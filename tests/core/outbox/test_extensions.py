"""An extension of another distribution: its section, tables, calls, service, commands and findings."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import click
import pytest

from sp00ky_core import Outbox, hookimpl
from sp00ky_core.config import values as read
from sp00ky_core.config.keys import key
from sp00ky_core.errors import AdapterMissing, ConfigError, PluginLoadError, UnknownRoute
from sp00ky_core.job.job import Job, NewJob
from sp00ky_core.job.outcome import Delivered
from sp00ky_core.plugins.registry import Plugins, load_config
from sp00ky_core.ports import (
    Column,
    ExtensionContext,
    ExtensionTransaction,
    Finding,
    Gauge,
    Is,
    Kind,
    Service,
    Table,
)

SPEC = '{"openapi": "3.1.0", "info": {"title": "api", "version": "1"}, "paths": {"/a": {"post": {}}}}'
BACKEND = "{spec: openapi.json, baseUrl: 'http://127.0.0.1:1', method: {table: job}}"
NOTES = Table("sp00ky_note", (Column("name", Kind.TEXT, length=100), Column("n", Kind.INTEGER, 0)), ("name",))


@attrs.frozen(kw_only=True)
class NotesConfig:
    limit: int = attrs.field(default=3, metadata=key(read.whole(1)))


class Notes:
    def __init__(self, context: ExtensionContext) -> None:
        self.context = context

    async def write(self, name: str, path: str = "/a") -> list[Job]:
        async def work(tx: ExtensionTransaction) -> list[Job]:
            await tx.insert(NOTES, [{"name": name}])
            return await tx.enqueue([NewJob(backend="api", path=path, payload={})])

        return await self.context.transact(work)

    async def names(self) -> list[str]:
        async def work(tx: ExtensionTransaction) -> list[str]:
            return [row["name"] for row in await tx.select(NOTES, order=("name",))]

        return await self.context.read(work)


class Looking:
    """A service that writes down what it hears."""

    def __init__(self, context: ExtensionContext) -> None:
        self.context = context
        self.heard: asyncio.Queue[Sequence[str]] = asyncio.Queue()
        self.is_closed = False

    async def look(self) -> float:
        if ended := list(self.context.ended()):
            self.heard.put_nowait(ended)
        return 60.0

    async def close(self) -> None:
        self.is_closed = True


class NotesExtension:
    options: type | None = NotesConfig
    tables: tuple[Table, ...] = (NOTES,)
    api = Notes

    def __init__(self) -> None:
        self.service: Any = None
        self.deleted = 0

    def start(self, context: ExtensionContext) -> Service | None:
        self.service = Looking(context)
        return self.service

    def commands(self) -> Mapping[str, click.Command]:
        return {"notes": click.Command("notes")}

    def pages(self) -> Sequence[Any]:
        return ()

    async def findings(self, context: ExtensionContext) -> list[Finding]:
        return [Finding.warning("notes", f"more than {context.options.limit}", "slow", "delete some")]

    async def retention(self, context: ExtensionContext) -> int:
        async def work(tx: ExtensionTransaction) -> int:
            return await tx.delete(NOTES, [Is("name", "=", "old")])

        deleted = await context.transact(work)
        self.deleted += deleted
        return deleted


def plugins_with(extensions: Mapping[str, Any]) -> Plugins:
    class Plugin:
        @hookimpl
        def sp00ky_register_extensions(self) -> Mapping[str, Any]:
            return extensions

    plugins = Plugins()
    from sp00ky_store_kit import memory  # noqa: PLC0415

    class Stores:
        @hookimpl
        def sp00ky_register_stores(self) -> Mapping[str, Any]:
            return {"memory": memory.MemoryStore}

    plugins.register(Stores(), name="memory", distribution="sp00ky-core")
    plugins.register(Plugin(), name="notes", distribution="acme-notes")
    return plugins


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "openapi.json").write_text(SPEC)
    (tmp_path / "sp00ky.yml").write_text(
        f"backends: {{api: {BACKEND}}}\nstore: memory://\nnotes: {{limit: 7}}\n"
    )
    return tmp_path / "sp00ky.yml"


async def test_its_calls_are_given_by_its_class(file: Path) -> None:
    async with Outbox.open(file, plugins=plugins_with({"notes": NotesExtension()})) as outbox:
        notes = outbox.extension(Notes)
        assert notes.context.options == NotesConfig(limit=7)
        (job,) = await notes.write("one")
        assert await notes.names() == ["one"]
        assert (await outbox.get(job.id)).path == "/a"
        assert "more than 7" in [finding.problem for finding in await outbox.check()]
        with pytest.raises(AdapterMissing, match="str"):
            outbox.extension(str)


async def test_what_it_enqueues_is_held_against_the_contract(file: Path) -> None:
    async with Outbox.open(file, plugins=plugins_with({"notes": NotesExtension()})) as outbox:
        with pytest.raises(UnknownRoute):
            await outbox.extension(Notes).write("one", "/nowhere")
        assert await outbox.extension(Notes).names() == []


class Delivering:
    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def deliver(self, attempt: Any) -> Delivered:
        return Delivered()


async def test_its_service_hears_of_jobs_that_have_ended(file: Path) -> None:
    extension = NotesExtension()
    async with Outbox.open(file, plugins=plugins_with({"notes": extension})) as outbox:
        async with outbox.runner(transport=Delivering()):
            job = await outbox.run("api", "/a", {})
            async with asyncio.timeout(30):
                assert await extension.service.heard.get() == [job.id]
        assert extension.service.is_closed


@pytest.mark.parametrize("fault", ["start", "look", "close"])
async def test_one_that_raises_is_named_and_costs_no_job(
    file: Path, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Faulty(Looking):
        async def look(self) -> float:
            if fault == "look":
                raise ZeroDivisionError
            return 60.0

        async def close(self) -> None:
            if fault == "close":
                raise ZeroDivisionError

    class FaultyExtension(NotesExtension):
        def start(self, context: ExtensionContext) -> Service | None:
            if fault == "start":
                raise ZeroDivisionError
            return Faulty(context)

    outbox = Outbox.open(file, plugins=plugins_with({"notes": FaultyExtension()}))
    async with outbox, outbox.runner(transport=Delivering()):
        job = await outbox.run("api", "/a", {})
        assert (await outbox.wait(job.id, timeout=30)).status == "success"
    assert [r for r in caplog.records if "the extension notes of acme-notes" in r.getMessage()]


async def test_numbers_that_can_not_be_read_cost_no_others(file: Path) -> None:
    class Counting(NotesExtension):
        async def metrics(self, context: ExtensionContext) -> Sequence[Gauge]:
            names = await context.transact(lambda tx: tx.select(NOTES))
            return [Gauge(name="sp00ky_notes", text="Notes.", values={"": len(names)})]

    class Faulty(NotesExtension):
        tables = ()

        async def metrics(self, context: ExtensionContext) -> Sequence[Gauge]:
            raise ZeroDivisionError

    plugins = plugins_with({"faulty": Faulty(), "notes": Counting()})
    async with Outbox.open(file, plugins=plugins) as outbox:
        await outbox.extension(Notes).write("one")
        text = await outbox.metrics()
    assert "sp00ky_notes 1.0" in text
    assert "sp00ky_jobs{" in text


async def test_a_look_that_fails_each_second_time_is_said_once_a_minute(
    file: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    enough = asyncio.Event()

    class Flickering(Looking):
        looks = 0

        async def look(self) -> float:
            self.looks += 1
            if self.looks == 6:
                enough.set()
            if self.looks % 2:
                raise UnknownRoute(backend="api", path="/gone", known=())
            return 0.0

    class FlickeringExtension(NotesExtension):
        def start(self, context: ExtensionContext) -> Service | None:
            return Flickering(context)

    monkeypatch.setattr("sp00ky_core.runner.services.AFTER_FAILURE", 0.01)
    monkeypatch.setattr("sp00ky_core.runner.services.SHORTEST_WAIT", 0.01)
    outbox = Outbox.open(file, plugins=plugins_with({"notes": FlickeringExtension()}))
    async with asyncio.timeout(30), outbox, outbox.runner(transport=Delivering()):
        await enough.wait()
    warned = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len([record for record in warned if "looks again" in record.getMessage()]) == 1


async def test_what_its_table_lacks_is_named_and_stops_no_job(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a migration would find it, had the author changed its columns after the last one."""
    lacking = [
        Finding.stopping(name, "the column n is missing", "calls fail", "run: sp00ky migrate")
        for name in ("sp00ky_note", "job")
    ]
    async with Outbox.open(file, plugins=plugins_with({"notes": NotesExtension()})) as outbox:

        async def found() -> list[Finding]:
            return lacking

        monkeypatch.setattr(outbox.store, "check", found)
        of_jobs, of_extension, *others = await outbox.check()
    assert others == [], "what it finds itself comes of that"
    assert (of_extension.subject, of_extension.stops_jobs) == ("sp00ky_note", False)
    assert of_extension.problem == "the column n is missing: acme-notes declares it"
    assert of_jobs == lacking[1]


@pytest.mark.parametrize("version", [0, 1])
async def test_a_shape_that_changes_without_its_version_is_named(file: Path, version: int) -> None:
    extension = NotesExtension()
    before = attrs.evolve(NOTES, version=version)
    text = attrs.evolve(before, columns=(NOTES.columns[0], Column("n", Kind.TEXT)))
    raised = attrs.evolve(text, version=version + 1)
    async with Outbox.open(file, plugins=plugins_with({"notes": extension})) as outbox:

        async def found(table: Table) -> list[Finding]:
            extension.tables = (table,)
            return [finding for finding in await outbox.check() if finding.subject == NOTES.name]

        assert await found(before) == []
        await outbox.migrate()
        assert await found(before) == []
        for _ in range(2):
            (finding,) = await found(text)
            assert not finding.stops_jobs
            assert finding.problem.startswith("acme-notes has changed its columns")
            await outbox.migrate()  # which mends no column
        assert await found(raised) == []
        await outbox.migrate()
        assert await found(raised) == []
        assert await found(attrs.evolve(before, version=version + 1)) != []


async def test_a_look_that_never_returns_is_named(
    file: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = asyncio.Event()

    class Told(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "look() hasn't returned" in record.getMessage():
                said.set()

    class Hanging(Looking):
        async def look(self) -> float:
            await asyncio.Event().wait()
            raise AssertionError

    class HangingExtension(NotesExtension):
        def start(self, context: ExtensionContext) -> Service | None:
            return Hanging(context)

    monkeypatch.setattr("sp00ky_core.runner.services.SAID_AFTER", 0.05)
    logging.getLogger("sp00ky_core").addHandler(told := Told())
    try:
        outbox = Outbox.open(file, plugins=plugins_with({"notes": HangingExtension()}))
        async with outbox, outbox.runner(transport=Delivering()):
            job = await outbox.run("api", "/a", {})
            assert (await outbox.wait(job.id, timeout=30)).status == "success"
            async with asyncio.timeout(30):
                await said.wait()
    finally:
        logging.getLogger("sp00ky_core").removeHandler(told)
    assert "acme-notes" in caplog.text


async def test_a_look_that_swallows_cancellations_keeps_no_runner(
    file: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()

    class Swallowing(Looking):
        async def look(self) -> float:
            begun.set()
            while not may_end.is_set():
                with suppress(asyncio.CancelledError):
                    await may_end.wait()
            return 60.0

    class SwallowingExtension(NotesExtension):
        def start(self, context: ExtensionContext) -> Service | None:
            return Swallowing(context)

    monkeypatch.setattr("sp00ky_core.runner.services.LEFT_AFTER", 0.05)
    outbox = Outbox.open(file, plugins=plugins_with({"notes": SwallowingExtension()}))
    try:
        async with asyncio.timeout(30), outbox, outbox.runner(transport=Delivering()):
            await begun.wait()
    finally:
        may_end.set()
    assert "acme-notes: look() doesn't end" in caplog.text


def table_named(name: str) -> type:
    class Other(NotesExtension):
        tables = (attrs.evolve(NOTES, name=name),)

    return Other


@pytest.mark.parametrize(
    ("extensions", "problem"),
    [
        ({"backends": NotesExtension()}, "reads itself"),
        ({"notes": object()}, "has no options"),
        ({"notes": table_named("note")()}, "sp00ky_"),
        ({"notes": table_named("sp00ky_runner")()}, "another's"),
        ({"notes": NotesExtension(), "more": NotesExtension()}, "another's"),
    ],
)
def test_one_that_can_not_be_is_refused_with_its_distribution(
    extensions: Mapping[str, Any], problem: str
) -> None:
    with pytest.raises(PluginLoadError, match=problem) as caught:
        plugins_with(extensions)
    assert caught.value.distribution == "acme-notes"


def test_a_section_without_a_class_is_given_as_it_is(file: Path) -> None:
    extension = NotesExtension()
    extension.options = None
    config = load_config(file, plugins=plugins_with({"notes": extension}))
    assert config.extensions == {"notes": {"limit": 7}}


def test_commands_that_can_not_be_made_are_blamed_on_their_distribution() -> None:
    class Commanding(NotesExtension):
        def commands(self) -> Mapping[str, click.Command]:
            raise ZeroDivisionError

    with pytest.raises(PluginLoadError, match="commands") as caught:
        _ = plugins_with({"notes": Commanding()}).commands
    assert caught.value.distribution == "acme-notes"


async def test_a_look_is_over_before_its_service_is_closed(file: Path) -> None:
    begun, order = asyncio.Event(), list[str]()

    class Slow(Looking):
        async def look(self) -> float:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                for _ in range(50):  # as it takes to undo something
                    await asyncio.sleep(0)
                order.append("looked")
            raise AssertionError

        async def close(self) -> None:
            order.append("closed")

    class SlowExtension(NotesExtension):
        def start(self, context: ExtensionContext) -> Service | None:
            return Slow(context)

    outbox = Outbox.open(file, plugins=plugins_with({"notes": SlowExtension()}))
    async with outbox, outbox.runner(transport=Delivering()):
        await begun.wait()
    assert order == ["looked", "closed"]


def test_its_section_is_read_with_the_errors_of_the_file(file: Path) -> None:
    file.write_text(file.read_text().replace("limit: 7", "limits: 7"))
    with pytest.raises(ConfigError, match="limit") as caught:
        load_config(file, plugins=plugins_with({"notes": NotesExtension()}))
    assert caught.value.key == "notes"


def test_its_commands_and_tables_are_known_by_its_distribution() -> None:
    plugins = plugins_with({"notes": NotesExtension()})
    assert (plugins.extension_tables, list(plugins.commands)) == ((NOTES,), ["notes"])
    assert plugins.infos[-1].extensions == ("notes",)
    assert plugins.distribution_of("notes") == "acme-notes"
