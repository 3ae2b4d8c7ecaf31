"""A runner's id is new each time, and says whose it is."""

from __future__ import annotations

import os
import re
import socket

from sp00ky_core.runner.options import new_runner_id


def test_an_id_is_new_each_time() -> None:
    assert len({new_runner_id("mine") for _ in range(100)}) == 100
    assert re.fullmatch(r"mine-[0-9a-f]{8}", new_runner_id("mine"))


def test_without_a_name_it_says_where_the_runner_is() -> None:
    assert new_runner_id().startswith(f"{socket.gethostname()[:100]}-{os.getpid()}-")
