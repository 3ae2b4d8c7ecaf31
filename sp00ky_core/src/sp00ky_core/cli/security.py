"""Tell whether a backend's ``auth`` is what an operation asks for. Pure."""

from __future__ import annotations

from sp00ky_core.config import BackendConfig
from sp00ky_core.contract.operation import Operation, Scheme

__all__ = ["unmet_security"]


def unmet_security(operation: Operation, backend: BackendConfig) -> str | None:
    """Return what an operation's ``security`` asks for and requests won't have; None: nothing."""
    if not operation.security:
        return None
    lacking = [
        [scheme for scheme in alternative if not _is_met(scheme, backend)]
        for alternative in operation.security
    ]
    if not all(lacking):
        return None
    return " or ".join(dict.fromkeys(" and ".join(map(_shown, schemes)) for schemes in lacking))


def _is_met(scheme: Scheme, backend: BackendConfig) -> bool:
    has_token = backend.token is not None or backend.token_file is not None
    is_bearer = backend.auth is None and has_token
    is_basic = backend.auth == "basic" or "@" in backend.base_url
    if scheme.type == "mutualTLS":
        return backend.tls is not None and backend.tls.cert is not None
    if scheme.type == "apiKey" and (scheme.place, scheme.key.lower()) == ("header", "authorization"):
        return is_bearer or is_basic
    if scheme.type == "apiKey":
        place, name = backend.credential or ("", "")
        return scheme.place == place and scheme.key.lower() == name.lower()
    if scheme.type == "http" and scheme.scheme == "basic":
        return is_basic
    return is_bearer and scheme.type in ("http", "oauth2", "openIdConnect")


def _shown(scheme: Scheme) -> str:
    if scheme.type == "apiKey":
        return f"{{type: apiKey, in: {scheme.place}, name: {scheme.key}}}"[:120]
    if scheme.type == "mutualTLS":
        return "tls.cert"
    if scheme.type == "http" and scheme.scheme == "basic":
        return "{type: basic}"
    return "{type: bearer}, with a tokenFile" if scheme.type == "oauth2" else "{type: bearer}"
