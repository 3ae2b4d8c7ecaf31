"""How a backend's jobs get there: its transport, its engine, TLS, its proxy."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
from tests.core.config.dumping import dump_config

from sp00ky_core import Outbox, hookimpl
from sp00ky_core.config import BackendConfig, Secret, TlsConfig, load_config, unready
from sp00ky_core.errors import AdapterMissing, ConfigError
from sp00ky_core.plugins.registry import Plugins
from sp00ky_core.testing import ScriptedTransport
from sp00ky_store_kit import memory as core_stores

DOCUMENT = "openapi: 3.0.3\npaths: {/x: {post: {}}}\n"
BACKEND = "spec: api.yml, baseUrl: '{url}', method: {{table: job}}"
Load = Callable[..., BackendConfig]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "api.yml").write_text(DOCUMENT)
    return tmp_path / "sp00ky.yml"


@pytest.fixture
def load(file: Path) -> Load:
    def loaded(keys: str = "", url: str = "http://x.test", **environ: str) -> BackendConfig:
        file.write_text(f"backends: {{api: {{{BACKEND.format(url=url)}, {keys}}}}}")
        return load_config(file, environ).backends["api"]

    return loaded


def test_without_a_word_there_is_neither_tls_nor_a_proxy(load: Load) -> None:
    backend = load()
    assert (backend.engine, backend.transport, backend.tls, backend.proxy) == ("auto", None, None, None)


def test_paths_are_relative_to_the_file(load: Load, file: Path) -> None:
    backend = load("tls: {ca: ./ca.pem, cert: pki/client.pem, key: '${KEY}'}", KEY="/run/secrets/key")
    folder = file.parent
    assert backend.tls == TlsConfig(
        ca=folder / "ca.pem", cert=folder / "pki/client.pem", key=Path("/run/secrets/key")
    )


def test_paths_of_an_app_file_are_relative_to_that(file: Path) -> None:
    (file.parent / "app").mkdir()
    (file.parent / "app" / "sp00ky.app.yml").write_text("tls: {ca: ca.pem}")
    file.write_text(f"backends: {{api: {{{BACKEND.format(url='http://x.test')}, path: ./app}}}}")
    assert load_config(file).backends["api"].tls == TlsConfig(ca=file.parent / "app/ca.pem")


@pytest.mark.parametrize("proxy", ["http://proxy:3128", "http://me:pa55@10.0.0.1", "http://[::1]:80/"])
def test_a_proxy_is_read_and_never_shown(load: Load, file: Path, proxy: str) -> None:
    backend = load("proxy: '${PROXY}'", PROXY=proxy)
    assert backend.proxy == Secret(proxy)
    shown = f"{backend!r} {dump_config(load_config(file, {'PROXY': proxy}))}"
    assert proxy not in shown
    assert "pa55" not in shown


@pytest.mark.parametrize(
    ("keys", "key", "says"),
    [
        ("engine: curl", "engine", "expected auto, aiohttp or httptools"),
        ("tls: {cacert: x}", "tls", "unknown key 'cacert'"),
        ("tls: {key: x}", "tls", "it has a `key` without a `cert`"),
        ("tls: true", "tls", "expected a mapping (ca, cert, key)"),
        ("proxy: https://me:pa55@proxy", "proxy", "expected an HTTP proxy"),
        ("proxy: 'http://me:pa55@'", "proxy", "expected an HTTP proxy"),
        ("proxy: 'http://me:pa55@proxy:x'", "proxy", "expected a URL such as http://localhost:8000"),
        ("proxy: 'http://me:pa55@proxy/path'", "proxy", "expected an HTTP proxy"),
        ("transport: 5", "transport", "expected text"),
    ],
)
def test_what_is_wrong_is_said_with_its_key(load: Load, keys: str, key: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(keys)
    assert caught.value.key == f"backends.api.{key}"
    assert says in caught.value.problem
    assert "pa55" not in str(caught.value)


@pytest.fixture
def pems(tmp_path: Path) -> dict[str, Path]:
    """Files of an authority, a certificate and its key, and others that are none."""
    authority = trustme.CA()
    issued = authority.issue_cert("client.test")
    files = {name: tmp_path / f"{name}.pem" for name in ("ca", "cert", "key", "both", "text", "other")}
    authority.cert_pem.write_to_path(files["ca"])
    issued.cert_chain_pems[0].write_to_path(files["cert"])
    issued.private_key_pem.write_to_path(files["key"])
    issued.private_key_and_cert_chain_pem.write_to_path(files["both"])
    authority.issue_cert("other.test").private_key_pem.write_to_path(files["other"])
    files["text"].write_text("no PEM at all")
    return files


@pytest.mark.parametrize("keys", ["", "ca: ca.pem", "cert: cert.pem, key: key.pem", "cert: both.pem"])
def test_files_that_can_be_used_are_no_finding(
    load: Load, file: Path, pems: dict[str, Path], keys: str
) -> None:
    backend = load(f"tls: {{{keys}}}")
    assert list(unready(load_config(file))) == []
    assert backend.tls is not None
    assert backend.tls.context().check_hostname


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ("ca: absent.pem", "absent.pem: it can't be read: No such file or directory"),
        ("ca: text.pem", "text.pem: it holds no certificate in PEM format"),
        ("cert: cert.pem, key: absent.pem", "absent.pem: it can't be read"),
        ("cert: cert.pem", "cert.pem: it holds no certificate in PEM format with a key"),
        ("cert: cert.pem, key: other.pem", "cert.pem: it holds no certificate in PEM format with a key"),
        ("cert: text.pem, key: key.pem", "text.pem: it holds no certificate in PEM format with a key"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_error_of_what_sends(
    load: Load, file: Path, pems: dict[str, Path], keys: str, named: str
) -> None:
    load(f"tls: {{{keys}}}")
    (error,) = unready(load_config(file))
    assert error.key == "backends.api.tls"
    assert named in str(error)
    assert "\n" not in str(error)


class Registering:
    """A plugin that brings transports of these names."""

    def __init__(self, *names: str) -> None:
        self._names = names

    @hookimpl
    def sp00ky_register_transports(self) -> dict[str, Any]:
        return dict.fromkeys(self._names, ScriptedTransport)


def outbox_with(file: Path, *names: str) -> Outbox:
    plugins = Plugins()
    plugins.register(core_stores, name="core", distribution="sp00ky-core")
    plugins.register(Registering(*names), name="test", distribution="test")
    return Outbox.open(file, store="memory://", plugins=plugins)


@pytest.mark.parametrize(
    ("url", "keys", "name", "wanted_by"),
    [
        ("nats://x.test", "", "nats", "backends.api.baseUrl"),
        ("http://x.test", "transport: amqp", "amqp", "backends.api.transport"),
    ],
)
async def test_a_missing_transport_says_what_wanted_it(
    load: Load, file: Path, url: str, keys: str, name: str, wanted_by: str
) -> None:
    load(keys, url)
    async with outbox_with(file, "http") as outbox:
        await outbox.run("api", "/x", {})  # enqueuing needs none
        with pytest.raises(AdapterMissing) as caught:
            outbox.runner()
    assert (caught.value.kind, caught.value.name, caught.value.wanted_by) == ("transport", name, wanted_by)
    assert f"no transport is installed for {name!r}, which {wanted_by} wants" in str(caught.value)
