"""What /proc says of processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
from benchmarks.processes import cpu_seconds, family_cpu_seconds, memory_mb, parent

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")

BURN = "import time\nwhile time.process_time() < 0.2: pass\nprint('burnt', flush=True)\ninput()"


def test_the_cpu_of_a_child_is_the_familys_while_it_lives_and_afterwards() -> None:
    before = family_cpu_seconds(os.getpid())
    child = subprocess.Popen([sys.executable, "-c", BURN], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"burnt\n"

    assert cpu_seconds(child.pid) >= 0.2
    assert parent(child.pid) == os.getpid()
    assert family_cpu_seconds(os.getpid()) - before >= 0.2
    child.communicate(b"\n")
    assert family_cpu_seconds(os.getpid()) - before >= 0.19  # that of the ended is told in hundredths


def test_the_cpu_of_a_process_is_what_it_says_itself() -> None:
    assert cpu_seconds(os.getpid()) == pytest.approx(time.process_time(), abs=0.5)


def test_the_memory_at_most_is_no_less_than_now() -> None:
    now, most = memory_mb(os.getpid())
    assert 0 < now <= most
