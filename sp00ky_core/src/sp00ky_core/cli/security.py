"""Tell whether a backend's ``auth`` is what an operation asks for. Pure."""

from __future__ import annotations

from sp00ky_core.config import BackendConfig
from sp00ky_core.contract.operation import Operation, Scheme

__all__ = ["unmet_security"]

_BEARER = ("http", "oauth2", "openIdConnect")
_SHOWN = {"mutualTLS": "tls.cert", "basic": "{type: basic}", "oauth2": "{type: bearer}, with a tokenFile"}


def unmet_security(operation: Operation, backend: BackendConfig) -> str | None:
    """Return what an operation's ``security`` asks for and requests won't have; None: nothing."""
    lacking = [[each for each in schemes if not _is_met(each, backend)] for schemes in operation.security]
    if not lacking or not all(lacking):
        return None
    return " or ".join(dict.fromkeys(" and ".join(map(_shown, schemes)) for schemes in lacking))


def _is_met(scheme: Scheme, backend: BackendConfig) -> bool:
    has_token = backend.token is not None or backend.token_file is not None
    is_bearer = backend.auth is None and has_token
    is_basic = backend.auth == "basic" or "@" in backend.base_url
    if scheme.type == "mutualTLS":
        return backend.tls is not None and backend.tls.cert is not None
    if scheme.type != "apiKey":
        return is_basic if scheme.type == "basic" else is_bearer and scheme.type in _BEARER
    if (scheme.place, scheme.key.lower()) == ("header", "authorization"):
        return is_bearer or is_basic
    place, name = backend.credential or ("", "")
    return scheme.place == place and scheme.key.lower() == name.lower()


def _shown(scheme: Scheme) -> str:
    if scheme.type == "apiKey":
        return f"{{type: apiKey, in: {scheme.place}, name: {scheme.key}}}"[:120]
    return _SHOWN.get(scheme.type, "{type: bearer}")
