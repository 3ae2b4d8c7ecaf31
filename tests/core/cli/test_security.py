"""A backend's ``auth`` meets what an operation's ``security`` asks for, or ``check`` says what would."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest

from sp00ky_core.cli.security import unmet_security
from sp00ky_core.config import BackendConfig, Secret
from sp00ky_core.config.settings import TlsConfig
from sp00ky_core.contract import Operation
from sp00ky_core.contract.operation import Scheme

NONE = BackendConfig(name="api", spec=Path("openapi.yml"), base_url="http://x.test")
BEARER = attrs.evolve(NONE, token_file=Path("token"))
BASIC = attrs.evolve(NONE, auth="basic", username=Secret("u"), password=Secret("p"))
KEY = attrs.evolve(NONE, auth="apiKey", auth_name="X-Key", token=Secret("t"))
TLS = attrs.evolve(NONE, tls=TlsConfig(cert=Path("client.pem")))


@pytest.mark.parametrize(
    ("scheme", "meets", "wanted"),
    [
        ({"type": "http"}, BEARER, "{type: bearer}"),
        ({"type": "basic"}, BASIC, "{type: basic}"),
        ({"type": "oauth2"}, BEARER, "{type: bearer}, with a tokenFile"),
        ({"type": "openIdConnect"}, BEARER, "{type: bearer}"),
        ({"type": "mutualTLS"}, TLS, "tls.cert"),
        (
            {"type": "apiKey", "place": "header", "key": "x-key"},
            KEY,
            "{type: apiKey, in: header, name: x-key}",
        ),
        ({"type": "apiKey", "place": "query", "key": "k"}, None, "{type: apiKey, in: query, name: k}"),
    ],
)
def test_a_scheme_is_met_by_its_own_auth(scheme: Any, meets: BackendConfig | None, wanted: str) -> None:
    operation = Operation(path="/x", security=((Scheme(**scheme),),))
    for backend in (NONE, BEARER, BASIC, KEY, TLS):
        assert unmet_security(operation, backend) == (None if backend is meets else wanted)
