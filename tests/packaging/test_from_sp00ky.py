"""docs/from-sp00ky.md: the file that keeps a project's numbers does."""

from __future__ import annotations

import re
from pathlib import Path

from sp00ky_core import load_config
from sp00ky_core.retry import RetryPolicy, next_delay

TEXT = (Path(__file__).parents[2] / "docs" / "from-sp00ky.md").read_text()


def test_the_example_keeps_the_numbers(tmp_path: Path) -> None:
    (tmp_path / "sp00ky.yml").write_text(
        re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)[0]
    )
    api = load_config(tmp_path / "sp00ky.yml").backends["api"]
    assert api.concurrency == 1
    assert (api.retention.success, api.retention.failed) == (6 * 3_600, 14 * 86_400)
    policy = RetryPolicy(strategy=api.retry.strategy, base=api.retry.base, jitter=api.retry.jitter)
    # Theirs counts from 0: 200 ms * (n + 1).
    assert [next_delay(policy, n) for n in (1, 2, 3)] == [0.2, 0.4, 0.2 * 3]
