"""The pytest plugin: other runs cost nothing."""

import subprocess
import sys
import textwrap
from pathlib import Path

SPEC = '{"openapi": "3.1.0", "info": {"title": "api", "version": "1"}, "paths": {"/a": {"post": {}}}}'
CONFIG = "backends: {api: {spec: api.json, baseUrl: 'http://127.0.0.1:1', method: {table: job}}}\n"
SEVERAL_WAYS = """
    import asyncio
    import pytest
    from sp00ky_core.testing import assert_enqueued, perform_jobs

    async def enqueue(outbox):
        await outbox.run("api", "/a")
        await assert_enqueued(outbox, "api", "/a")
        assert len(await perform_jobs(outbox)) == 1

    @pytest.mark.asyncio
    async def test_by_pytest_asyncio(outbox):
        await enqueue(outbox)

    @pytest.mark.anyio
    @pytest.mark.parametrize("anyio_backend", ["asyncio"])
    async def test_by_anyio(outbox):
        await enqueue(outbox)

    def test_by_hand(outbox, sync_outbox):
        asyncio.run(enqueue(outbox))
        assert_enqueued(sync_outbox, "api", "/a")

    async def test_in_an_event_loop(outbox, sync_outbox):
        sync_outbox.run("api", "/a", autocommit=True)
        assert_enqueued(sync_outbox, "api", "/a")
        await assert_enqueued(outbox, "api", "/a")
        assert len(perform_jobs(sync_outbox)) == 1

    test_in_an_event_loop = pytest.mark.asyncio(test_in_an_event_loop)
"""


def test_the_plugin_leaves_other_runs_alone(tmp_path: Path) -> None:
    (tmp_path / "test_other.py").write_text(
        textwrap.dedent("""
            import sys

            def test_nothing_heavy_is_loaded():
                assert {"sp00ky_pytest", "sp00ky_conformance_pytest"} <= set(sys.modules)
                heavy = {"sp00ky_core.testing", "sp00ky_conformance", "hypothesis", "pytest_asyncio"}
                assert not heavy & set(sys.modules)
        """)
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-W",
        "error",
        "-p",
        "no:asyncio",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(
        [*command, str(tmp_path)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def ran(folder: Path, *arguments: str) -> str:
    options = (
        "-q",
        "-W",
        "error",
        "-p",
        "no:cacheprovider",
        "-o",
        "asyncio_default_fixture_loop_scope=function",
    )
    command = [sys.executable, "-m", "pytest", *options, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def project(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "sp00ky.yml").write_text(CONFIG)
    (folder / "api.json").write_text(SPEC)


def test_the_outbox_works_however_tests_are_run(tmp_path: Path) -> None:
    project(tmp_path)
    tests = tmp_path / "tests" / "unit"
    tests.mkdir(parents=True)
    (tests / "test_it.py").write_text(textwrap.dedent(SEVERAL_WAYS))
    assert "4 passed" in ran(tmp_path, "tests")
