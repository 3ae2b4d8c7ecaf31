"""Plugins as they are found: distributions with entry points, good and bad."""

import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, distributions, version
from pathlib import Path
from typing import Any

import pytest

from sp00ky_core import Finding, Outbox, PluginLoadError, Plugins, hookimpl, load_plugins
from sp00ky_core.job.outcome import Delivered
from sp00ky_core.ports import StoreOptions
from sp00ky_core.testing import ScriptedTransport
from sp00ky_store_kit.memory import MemoryStore

Install = Callable[..., None]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the import path in which distributions can be installed."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    yield folder
    for name in [name for name in sys.modules if name.startswith("ghost_")]:
        del sys.modules[name]


@pytest.fixture
def install(site: Path) -> Install:
    """Install a distribution of one module: its name, its source, what it requires."""

    def write(distribution: str, source: str, *required: str, version: str = "1.2") -> None:
        module = distribution.replace("-", "_")
        (site / f"{module}.py").write_text("from sp00ky_core import hookimpl\n" + textwrap.dedent(source))
        info = site / f"{module}-{version}.dist-info"
        info.mkdir()
        metadata = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
        metadata += "".join(f"Requires-Dist: {each}\n" for each in required)
        (info / "METADATA").write_text(metadata)
        (info / "entry_points.txt").write_text(f"[sp00ky]\nplugin = {module}\n")

    return write


@pytest.fixture
def load(site: Path) -> Callable[[], Plugins]:
    """Load the plugins of that folder, and no others."""

    def installed() -> list[EntryPoint]:
        return [
            point for distribution in distributions(path=[str(site)]) for point in distribution.entry_points
        ]

    return lambda: load_plugins(installed())


def test_a_plugin_is_found_by_its_entry_point(install: Install) -> None:
    install(
        "ghost-strategies",
        """
        @hookimpl
        def sp00ky_register_retry_strategies():
            return {"fibonacci": lambda policy, n: policy.base}
        """,
    )
    plugins = load_plugins()  # as a program does: what is installed, ours included
    (info,) = [info for info in plugins.infos if info.distribution == "ghost-strategies"]
    assert (info.name, info.version) == ("plugin", "1.2")
    assert info.retry_strategies == ("fibonacci",)
    assert info.hooks == ("sp00ky_register_retry_strategies",)
    assert {"linear", "exponential", "fibonacci"} <= plugins.strategies.keys()
    assert any(info.distribution == "sp00ky-store-kit" and "memory" in info.stores for info in plugins.infos)


def test_plugins_load_in_the_order_of_their_names(install: Install, load: Callable[[], Plugins]) -> None:
    for name in ("ghost-c", "ghost-a", "ghost-b"):
        install(name, "")
    assert [info.distribution for info in load().infos] == ["ghost-a", "ghost-b", "ghost-c"]


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("import no_such_module_anywhere", "no_such_module_anywhere"),
        ("raise RuntimeError('boo')", "RuntimeError: boo"),
        ("def broken(:", "SyntaxError"),
        ("@hookimpl\ndef sp00ky_job_setled(job): ...", "sp00ky_job_setled"),
        ("@hookimpl\ndef sp00ky_job_settled(job, colour): ...", "colour"),
        ("def sp00ky_job_settled(job): ...", "isn't marked with @hookimpl"),
        ("@hookimpl\nasync def sp00ky_classify_outcome(outcome): ...", "must not be async"),
        ("@hookimpl\nasync def sp00ky_retry_policy(job): ...", "must not be async"),
        ("@hookimpl\nasync def sp00ky_request_headers(job): ...", "must not be async"),
        ("@hookimpl\nasync def sp00ky_register_stores(): ...", "must not be async"),
        ("@hookimpl(wrapper=True)\ndef sp00ky_job_settled(job):\n    yield", "can't be wrapped"),
        ("@hookimpl(on_error='fail')\ndef sp00ky_job_settled(job): ...", "can't have on_error='fail'"),
        ("@hookimpl(on_error='stop')\ndef sp00ky_request_headers(job): ...", "can't have on_error='stop'"),
        ("@hookimpl\ndef sp00ky_register_stores():\n    raise OSError('no disk')", "OSError: no disk"),
        ("@hookimpl\ndef sp00ky_register_transports():\n    return 7", "TypeError"),
        (
            "@hookimpl\ndef sp00ky_register_retry_strategies():\n    return {'linear': None}",
            "sp00ky-core has registered too",
        ),
    ],
)
def test_a_bad_plugin_is_refused_with_its_distribution_named(
    install: Install, load: Callable[[], Plugins], source: str, problem: str
) -> None:
    install("ghost-bad", source)
    with pytest.raises(PluginLoadError) as caught:
        load()
    assert caught.value.distribution == "ghost-bad"
    assert problem in str(caught.value)
    assert str(caught.value).startswith("plugin of ghost-bad: ")
    assert "uninstall ghost-bad" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "hook",
    [
        "sp00ky_register_stores",
        "sp00ky_register_transports",
        "sp00ky_register_retry_strategies",
        "sp00ky_register_commands",
    ],
)
def test_a_duplicate_names_both_distributions(
    install: Install, load: Callable[[], Plugins], hook: str
) -> None:
    source = f"""
    @hookimpl
    def {hook}():
        return {{"ghost": lambda *arguments: None}}
    """
    install("ghost-first", source)
    install("ghost-second", source)
    with pytest.raises(PluginLoadError) as caught:
        load()
    what = hook.removeprefix("sp00ky_register_").replace("ies", "y").replace("_", " ").removesuffix("s")
    both = f"ghost-first and ghost-second both register the {what} 'ghost': uninstall one of them"
    assert str(caught.value) == both


@pytest.mark.parametrize(
    ("store", "problem"),
    [
        (
            "class Store(MemoryStore):\n    def __init__(self): ...",
            "can't be made of StoreOptions: TypeError: ",
        ),
        ("class Store(TransactionalStore): ...", "abstract methods? .*translate"),
        (
            "class Store:\n    def __init__(self, options): ...",
            "lacks open, close, migrate, .*; see sp00ky_core.p",
        ),
    ],
)
def test_a_store_that_can_not_be_made_names_its_distribution(
    install: Install, load: Callable[[], Plugins], store: str, problem: str
) -> None:
    imports = "from sp00ky_store_kit.memory import MemoryStore, TransactionalStore\n"
    hook = "\n@hookimpl\ndef sp00ky_register_stores():\n    return {'ghost': Store}\n"
    install("ghost-store", f"{imports}{store}{hook}")
    with pytest.raises(PluginLoadError, match=f"plugin of ghost-store: the store for ghost:// .*{problem}"):
        load().made_store(StoreOptions(url="ghost://", tables=()))


OTHERS = {
    "sp00ky-core<0.2": "<0.2",
    "sp00ky-core >=0.1,<0.2": ">=0.1,<0.2",
    "sp00ky_core[metrics] (>=99) ; python_version > '3'": ">=99",
    "sp00ky-core==0.1.*": "==0.1.*",
    "sp00ky-core~=0.1.3": "~=0.1.3",
}


@pytest.mark.parametrize("required", OTHERS)
def test_a_plugin_made_for_another_version_says_so(
    install: Install, load: Callable[[], Plugins], caplog: pytest.LogCaptureFixture, required: str
) -> None:
    made_for = f"it is made for sp00ky-core {OTHERS[required]}, this is {version('sp00ky-core')}"
    install("ghost-old", "", "attrs<3", required)
    load()
    assert caplog.messages == [f"ghost-old: {made_for}; install the version of it that fits"]
    install("ghost-older", "import sp00ky_core.breaker", required)
    with pytest.raises(
        PluginLoadError, match=re.escape(f"plugin of ghost-older: {made_for}: ghost_older can't be")
    ):
        load()


@pytest.mark.parametrize(
    "required", ["sp00ky-core", "sp00ky-core>=0.1", "sp00ky-core-fork<0.1", "sp00ky-core!=0.1.7", "attrs<1"]
)
def test_a_plugin_made_for_this_version_says_nothing(
    install: Install, load: Callable[[], Plugins], caplog: pytest.LogCaptureFixture, required: str
) -> None:
    install("ghost-new", "", required)
    load()
    assert caplog.messages == []


EXTENSION = """
from sp00ky_core.ports import Column, Kind, Table


class Extension:
    options = None
    tables = (Table("{table}", (Column("id", Kind.TEXT),), ("id",), version=1),)
    api = object

    def start(self, context): ...
    def commands(self): return {{}}
    def pages(self): return ()
    async def findings(self, context): return []
    async def retention(self, context): return 0


{before}
@hookimpl
def sp00ky_register_extensions():
    {first}
    return {{"{key}": Extension()}}
"""
AS_IT_SHOULD_BE = {"key": "ghosts", "table": "sp00ky_ghost", "before": "", "first": ""}


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"before": "raise OSError('no disk')"}, "can't be imported: OSError: no disk"),
        ({"before": "def broken(:"}, "SyntaxError"),
        ({"first": "raise OSError('no disk')"}, "OSError: no disk"),
        ({"key": "retention"}, "a key of sp00ky.yml that the outbox reads itself"),
        ({"key": "houses"}, "ghost-houses has registered the extension 'houses', too"),
        ({"table": "sp00ky_house"}, "whose table 'sp00ky_house' is another's"),
        ({"first": "Extension.tables = 7"}, "can't be read: TypeError"),
    ],
)
async def test_an_extension_that_can_not_be_is_left_out_and_named(
    install: Install,
    load: Callable[[], Plugins],
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    wrong: dict[str, str],
    problem: str,
) -> None:
    good = AS_IT_SHOULD_BE | {"key": "houses", "table": "sp00ky_house"}
    install("ghost-houses", EXTENSION.format(**good))
    install("ghost-other", EXTENSION.format(**AS_IT_SHOULD_BE | wrong))
    plugins = load()
    assert plugins.extensions.keys() == {"houses"}
    (error,) = plugins.left_out
    assert error.distribution == "ghost-other"
    assert problem in str(error)
    assert "ghost-other" in caplog.text
    assert "jobs are delivered all the same" in caplog.text
    assert [finding.subject for finding in await findings_of(plugins, tmp_path)] == ["ghost-other"]


async def findings_of(plugins: Plugins, folder: Path) -> list[Finding]:
    """What ``check`` finds where a job is delivered with these plugins, and the memory store."""
    plugins.register(Stores(), name="memory", distribution="sp00ky-core")
    (folder / "openapi.json").write_text('{"openapi": "3.1.0", "paths": {"/a": {"post": {}}}}')
    backend = "{spec: openapi.json, baseUrl: 'http://127.0.0.1:1', method: {table: job}}"
    (folder / "sp00ky.yml").write_text(f"backends: {{api: {backend}}}\nstore: memory://\n")
    outbox = Outbox.open(folder / "sp00ky.yml", plugins=plugins)
    async with outbox, outbox.runner(transport=ScriptedTransport(lambda _: Delivered())):
        job = await outbox.run("api", "/a", {})
        assert (await outbox.wait(job.id, timeout=30)).status == "success"
        findings = await outbox.check()
    assert not any(finding.stops_jobs for finding in findings)
    return findings


class Stores:
    @hookimpl
    def sp00ky_register_stores(self) -> dict[str, Any]:
        return {"memory": MemoryStore}


def test_a_plugin_that_decides_is_not_left_out(install: Install, load: Callable[[], Plugins]) -> None:
    decides = "raise OSError\n@hookimpl\ndef sp00ky_classify_outcome(outcome): ..."
    install("ghost-house", EXTENSION.format(**AS_IT_SHOULD_BE | {"before": decides}))
    with pytest.raises(PluginLoadError, match="ghost-house"):
        load()
