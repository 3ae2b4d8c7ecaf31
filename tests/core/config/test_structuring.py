"""A section becomes its class strictly; what is wrong is said with its dotted key."""

from __future__ import annotations

from pathlib import Path

import pytest

from sp00ky_core.config import RetryConfig, load_config
from sp00ky_core.config.structuring import near_miss
from sp00ky_core.errors import ConfigError


def retry_of(folder: Path, section: str) -> RetryConfig:
    file = folder / "sp00ky.yml"
    file.write_text(
        "backends:\n  api: {spec: o.yml, baseUrl: 'http://x.test', method: {type: outbox, table: job}, "
        f"retry: {section}}}\n"
    )
    return load_config(file, {"BASE": "2"}).backends["api"].retry


def test_keys_become_fields(tmp_path: Path) -> None:
    found = retry_of(tmp_path, "{base: '${BASE}', maxRetries: 7}")
    assert found == RetryConfig(base=2.0, max_retries=7)


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ("{base: x}", "backends.api.retry.base: "),
        ("{bse: 1}", "backends.api.retry: unknown key 'bse'; did you mean 'base'?"),
        ("{zzz: 1}", "backends.api.retry: unknown key 'zzz'; known: 'base'"),
        ("[]", "backends.api.retry: "),
    ],
)
def test_what_is_wrong_has_its_key(tmp_path: Path, section: str, says: str) -> None:
    with pytest.raises(ConfigError) as raised:
        retry_of(tmp_path, section)
    assert says in str(raised.value)


@pytest.mark.parametrize(
    ("key", "meant"), [("tiemout", "timeout"), ("time_out", "timeout"), ("colour", None), (1, None)]
)
def test_a_near_miss(key: object, meant: str | None) -> None:
    assert near_miss(key, ["timeout", "table"]) == meant
