"""Errors of the configuration: one line with the key and what to do, and exit code 2."""

from __future__ import annotations

import pytest

from sp00ky_core.errors import Sp00kyError
from sp00ky_core.errors.configuration import (
    AdapterMissing,
    ConfigError,
    ContractError,
    PluginLoadError,
    UnknownBackend,
    UnknownRoute,
    UnknownStrategy,
)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ConfigError(file="f.yml", problem="it is bad"), "f.yml: it is bad"),
        (ConfigError(file="f.yml", key="a.b", problem="bad", fix="mend it"), "f.yml: a.b: bad; mend it"),
        (ContractError(file="o.yml", problem="no OpenAPI"), "o.yml: no OpenAPI"),
        (
            PluginLoadError(distribution="ghost", problem="bad"),
            "plugin of ghost: bad; fix it or uninstall ghost",
        ),
        (
            UnknownBackend(backend="apj", known=("api",)),
            "no backend 'apj' in the configuration; did you mean 'api'?",
        ),
        (UnknownBackend(backend="a", known=(), reason="no spec"), "backend 'a' is left out: no spec"),
        (
            UnknownRoute(backend="api", path="/jsn", known=("/json",)),
            "backend 'api' has no route '/jsn'; did you mean '/json'?",
        ),
        (
            UnknownRoute(backend="api", path="/x", known=(), reason="two methods"),
            "backend 'api' can't be called at '/x': two methods",
        ),
        (UnknownStrategy(strategy="x", known=("linear",)), "no retry strategy 'x'; known: 'linear'"),
        (
            AdapterMissing(kind="transport", name="nats", distribution="", known=("http",)),
            "no transport is installed for 'nats': no known distribution has one; known: 'http'",
        ),
    ],
)
def test_texts(error: Sp00kyError, text: str) -> None:
    assert str(error) == text
    assert error.exit_code == 2


def test_a_missing_adapter_says_what_to_install_or_to_fix() -> None:
    known = AdapterMissing(kind="store", name="ws", distribution="sp00ky-store-surreal")
    assert "pip install ./sp00ky_store_surreal" in str(known)
    unknown = AdapterMissing(kind="store", name="x", distribution="")
    assert str(unknown).endswith("fix `store` in sp00ky.yml, SP00KY_STORE or --store")
