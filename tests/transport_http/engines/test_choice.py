"""Which engine sends a backend's requests."""

import importlib.util

import attrs
import pytest

from sp00ky_conformance.transport.attempts import attempt_for
from sp00ky_core.config import BackendConfig, Secret
from sp00ky_core.errors import ConfigError
from sp00ky_transport_http.engines import choice
from sp00ky_transport_http.engines.aiohttp import AiohttpEngine
from sp00ky_transport_http.engines.httptools import HttptoolsEngine

PROXY = Secret("http://proxy.invalid:3128")


def backend(engine: str, proxy: Secret | None = None) -> BackendConfig:
    found = attempt_for("http://x.test", "/json").backend
    return attrs.evolve(found, engine=engine, proxy=proxy)


@pytest.fixture
def without_httptools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "find_spec", lambda name: None)


@pytest.mark.parametrize(
    ("engine", "proxy", "name"),
    [
        ("auto", None, "httptools"),
        ("auto", PROXY, "httptools"),
        ("aiohttp", None, "aiohttp"),
        ("httptools", None, "httptools"),
    ],
)
def test_auto_is_httptools_by_a_proxy_too(engine: str, proxy: Secret | None, name: str) -> None:
    assert importlib.util.find_spec("httptools") is not None, "the group `test` brings it"
    assert choice.engine_name(backend(engine, proxy)) == name


@pytest.mark.usefixtures("without_httptools")
def test_auto_is_aiohttp_where_httptools_is_not_installed() -> None:
    assert choice.engine_name(backend("auto")) == "aiohttp"


@pytest.mark.usefixtures("without_httptools")
def test_what_is_missing_is_said_with_the_command() -> None:
    with pytest.raises(ConfigError, match="pip install httptools") as caught:
        choice.engine_name(backend("httptools"))
    assert caught.value.key == "backends.api.engine"


def test_each_name_is_an_engine() -> None:
    assert isinstance(choice.new_engine("httptools"), HttptoolsEngine)
    assert isinstance(choice.new_engine("aiohttp"), AiohttpEngine)


@pytest.mark.parametrize(
    ("engine", "proxy", "said"),
    [
        ("auto", None, "httptools"),
        ("aiohttp", None, "aiohttp, as `engine` says"),
    ],
)
def test_the_engine_is_said_with_its_reason(engine: str, proxy: Secret | None, said: str) -> None:
    assert choice.engine_and_why(backend(engine, proxy)) == said
