"""The package proves a store in five lines, and finds out one that says what isn't so."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import sp00ky_conformance

QUICK = ("-p", "no:cacheprovider", "--assert=plain")
"""Options of a run whose failures nobody reads: rewriting the suite's asserts takes longer than its tests."""


def test_every_exported_name_is_there() -> None:
    for name in sp00ky_conformance.__all__:
        assert getattr(sp00ky_conformance, name) is not None


def test_five_lines_prove_a_store(tmp_path: Path) -> None:
    settings = "[pytest]\nfilterwarnings = error\nasyncio_default_fixture_loop_scope = function\n"
    (tmp_path / "pytest.ini").write_text(settings)
    (tmp_path / "test_mine.py").write_text(
        textwrap.dedent("""
            from sp00ky_store_kit.memory import MemoryStore
            from sp00ky_conformance import StoreConformance

            class TestMine(StoreConformance):
                def make_store(self, options):
                    return MemoryStore(options)
        """)
    )
    command = [sys.executable, "-m", "pytest", "-q", *QUICK, "-k", "Mine and add", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


MODEST = """
from contextlib import asynccontextmanager
from sp00ky_core.ports import FLAGS, StoreCapabilities
from sp00ky_store_kit.memory import MemoryStore
from sp00ky_conformance import StoreConformance

LACKS = dict.fromkeys(FLAGS.values(), False)
CALLS = {name for ability in FLAGS for name in vars(ability) if not name.startswith("_")} - {"claim"}

class Modest(MemoryStore):
    capabilities = StoreCapabilities(durable=False, holds_any_row=False, **LACKS)

    def __getattribute__(self, name):
        if name in CALLS or name == "write_row":
            raise AttributeError(name)
        return super().__getattribute__(name)

class TestModest(StoreConformance):
    def make_store(self, options):
        return Modest(options)
"""

REFUSES = """
    @asynccontextmanager
    async def transaction(self, store):
        yield object()
"""


def run_suite(folder: Path, text: str, *options: str) -> tuple[int, dict[str, int], str]:
    """Run the suite of a store apart: the exit code, how many passed, failed..., and all that was said."""
    (folder / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    (folder / "test_modest.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-ra", *QUICK, *options, str(folder)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    counts = {word: int(count) for count, word in re.findall(r"(\d+) (\w+)", done.stdout.splitlines()[-1])}
    return done.returncode, counts, done.stdout + done.stderr


def test_a_store_that_promises_less_is_tested_all_the_same(tmp_path: Path) -> None:
    code, counts, said = run_suite(tmp_path, MODEST + REFUSES)
    assert code == 0, said
    assert counts["passed"] > 110
    assert "skipped" not in counts


LIES = {
    "transactions=False": "test_jobs_are_there_when_it_commits",
    "holds_any_row=False": "test_operators_reach_the_row",
    "durable=True": "test_what_was_written_outlives_the_store",
    "shared=True": "test_two_stores_share_a_queue",
    "statements=True": "test_defaults_are_those_of_add",
}
"""What a store says that isn't so, and the test that finds it out."""


def test_a_store_that_says_what_is_not_so_is_noticed(tmp_path: Path) -> None:
    text = MODEST
    for count, lie in enumerate(LIES):
        flags = {"transactions": "True", "durable": "False"} | dict([lie.split("=")])
        given = ", ".join(f"{name}={value}" for name, value in flags.items())
        text += f"""
class Lying{count}(MemoryStore):
    capabilities = StoreCapabilities({given})

class TestLying{count}(StoreConformance):
    def make_store(self, options):
        return Lying{count}(options)
"""
    wanted = " or ".join(f"(Lying{count} and {test})" for count, test in enumerate(LIES.values()))
    _, counts, said = run_suite(tmp_path, text, "-k", wanted)
    for count, test in enumerate(LIES.values()):
        assert f"FAILED test_modest.py::TestLying{count}::{test}" in said
    assert "passed" not in counts


def test_what_an_adapter_leaves_out_is_said(tmp_path: Path) -> None:
    text = f"""{MODEST}
class TestLess(TestModest):
    async def backdate_beat(self, store, runner_id, seconds):
        raise OSError
"""
    _, counts, said = run_suite(tmp_path, text, "-k", "forgotten or (Modest and refused_insert)", "-v")
    assert "TestModest doesn't override backdate_beat(): 2 tests need it" in said
    assert "TestLess doesn't override backdate_beat()" not in said
    assert "skipped" not in counts
    assert [line.split("::")[1] for line in said.splitlines() if line.startswith("FAILED")] == ["TestLess"]
