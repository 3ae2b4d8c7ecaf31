"""A failure of the suite says what was promised, and where."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from sp00ky_conformance.store.promises import TITLE, promise_of
from sp00ky_conformance.store.suite import StoreConformance
from sp00ky_core.ports import Store, StoreOptions
from sp00ky_store_kit.memory import MemoryStore

BROKEN = textwrap.dedent("""
    from sp00ky_store_kit.memory import MemoryStore
    from sp00ky_conformance.store.suite import StoreConformance

    class Broken(MemoryStore):
        async def beat(self, runner_id, info=None):
            return {}

    class TestBroken(StoreConformance):
        def make_store(self, options):
            return Broken(options)
""")


class OnMemory(StoreConformance):
    def make_store(self, options: StoreOptions) -> Store:
        return MemoryStore(options)


def test_it_names_the_subject_the_test_and_the_call() -> None:
    promise = promise_of(OnMemory, "test_a_stale_epoch_loses")
    assert promise is not None
    subject, place, *calls = promise.splitlines()
    assert subject == "A write under an old epoch matches nothing. In particular: a stale epoch loses."
    assert "conformance" in place
    assert any(call.startswith("Store.settle (") and "ports/store.py:" in call for call in calls)


def test_every_test_of_the_suite_has_one() -> None:
    names = [name for name in dir(StoreConformance) if name.startswith("test_")]
    without = [name for name in names if promise_of(OnMemory, name) is None]
    assert without == []


def test_a_failing_run_shows_it(tmp_path: Path) -> None:
    (tmp_path / "test_broken.py").write_text(BROKEN)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-k", "beat_moves_on", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    shown = done.stdout.partition(TITLE)[2]
    assert "A runner's sign of life. In particular: a beat moves on." in shown
    assert "Store.beat (" in shown
