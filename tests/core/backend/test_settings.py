"""What operators set of a backend is laid over what the file says, as far as that may be."""

from pathlib import Path
from typing import Any

import pytest

from sp00ky_core.backend.backend import Backend
from sp00ky_core.backend.loading import load_backends
from sp00ky_core.backend.settings import adjusted, read_settings, settings_texts
from sp00ky_core.config import BackendConfig, Config, RateConfig
from sp00ky_core.plugins.registry import Plugins
from sp00ky_core.ports import SettingsRecord

URL, OTHER = "http://first.test/v1", "http://second.test"


def backend(folder: Path, **fields: Any) -> Backend:
    spec = folder / "openapi.yml"
    spec.write_text("openapi: 3.1.0\npaths: {/a: {post: {responses: {}}}}\n")
    config = BackendConfig(**{"name": "api", "spec": spec, "base_url": URL, "base_urls": (OTHER,)} | fields)
    loaded = load_backends(
        Config(file=folder / "sp00ky.yml", backends={"api": config}), frozenset(Plugins().strategies)
    )
    return loaded["api"]


def test_it_is_another_backend_in_what_is_set_alone(tmp_path: Path) -> None:
    file = backend(tmp_path, concurrency=9, timeout=20)
    values = {"rate": "20/s", "maxInFlight": 5, "timeout": "1m", "baseUrl": OTHER}
    settings, problems = read_settings(file, SettingsRecord(values=values))
    now = adjusted(file, settings)
    assert problems == {}
    assert (now.config.base_url, now.config.concurrency) == (OTHER, 9)
    assert (now.table.rate, now.table.max_in_flight) == (RateConfig(limit=20), 5)
    assert (now.config.timeout, now.table.timeout) == (60, 60)
    assert adjusted(file, read_settings(file, SettingsRecord(values={}))[0]) == file


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"rate": "0/s"}, "from 1 to 1000000, not 0"),
        ({"rate": 0}, "a rate such as 20/s"),
        ({"rate": f"{'9' * 5_000}/s"}, "a rate such as 20/s"),
        ({"rate": "20/0s"}, "from 1ms to 1d"),
        ({"rate": "20/fortnight"}, "a duration"),
        ({"rate": None}, "no `limit`"),
        ({"concurrency": 0}, "from 1 to 10000"),
        ({"concurrency": "many"}, "a whole number"),
        ({"concurrency": True}, "a whole number"),
        ({"maxInFlight": -1}, "a whole number"),
        ({"timeout": 0}, "over 0"),
        ({"timeout": "11m"}, "at most 600 s at run time, not 660"),
        ({"baseUrl": "second.test"}, "expected a URL"),
        ({"baseUrl": "http://evil.test"}, "one of the file's `baseUrls` \\(.*second"),
        ({"baseUrl": f"{OTHER}@evil.test"}, "a user or a password"),
        ({"baseUrl": "asgi://main:app"}, "one of the file's"),
        ({"ratte": "20/s"}, "unknown key 'ratte'; did you mean 'rate'"),
        ({"token": "t"}, "unknown key"),
        ({"": 1}, "unknown key"),
    ],
)
def test_what_cannot_be_is_said_and_the_rest_holds(
    tmp_path: Path, values: dict[str, Any], problem: str
) -> None:
    file = backend(tmp_path)
    settings, problems = read_settings(
        file, SettingsRecord(values={**values, "timeout": values.get("timeout", 5)})
    )
    assert list(problems) == list(values)
    with pytest.raises(ValueError, match=problem):
        raise ValueError(*problems.values())
    assert settings.timeout == (None if "timeout" in values else 5)


def test_an_application_in_this_process_stays(tmp_path: Path) -> None:
    url = "asgi://main:app"
    record = SettingsRecord(values={"baseUrl": url})
    problems = read_settings(backend(tmp_path, base_url=url, base_urls=(url,)), record)[1]
    assert "in this process" in problems["baseUrl"]


def test_it_is_said_beside_the_files_value(tmp_path: Path) -> None:
    values = {"rate": "20/s", "timeout": 5, "baseUrl": "http://evil.test"}
    rate, timeout, url = settings_texts(backend(tmp_path), SettingsRecord(values=values))
    assert rate == "rate 20 per 1 s, 20 at once (file: none)"
    assert timeout.startswith("timeout 5 s (file: 10")
    assert url.startswith("baseUrl is ignored: expected one of")
