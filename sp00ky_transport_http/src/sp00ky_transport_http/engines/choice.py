"""Choose the engine that sends a backend's requests."""

from __future__ import annotations

from importlib.util import find_spec

from sp00ky_core.config import BackendConfig
from sp00ky_core.errors import ConfigError
from sp00ky_transport_http.engines.exchange import Engine


def engine_name(backend: BackendConfig) -> str:
    """Return the engine's name: ``auto`` is httptools where it is installed.

    Raises:
        ConfigError: httptools is wanted and can't be had.
    """
    problem = _against_httptools()
    if backend.engine == "auto":
        return "aiohttp" if problem else "httptools"
    if backend.engine == "httptools" and problem:
        raise ConfigError(file="", key=f"backends.{backend.name}.engine", problem=problem)
    return backend.engine


def engine_and_why(backend: BackendConfig) -> str:
    """Say which engine it is, and why it isn't httptools, which takes half of aiohttp's CPU."""
    if backend.engine != "auto":
        return f"{backend.engine}, as `engine` says"
    problem = _against_httptools().partition(";")[0]
    return f"aiohttp: {problem}" if problem else "httptools"


def _against_httptools() -> str:
    return "" if find_spec("httptools") else "httptools is not installed: pip install httptools"


def new_engine(name: str) -> Engine:
    """Make an engine; its library is imported once a backend asks for it."""
    if name == "httptools":
        from sp00ky_transport_http.engines.httptools import HttptoolsEngine  # noqa: PLC0415  # see above

        return HttptoolsEngine()
    from sp00ky_transport_http.engines.aiohttp import AiohttpEngine  # noqa: PLC0415  # see above

    return AiohttpEngine()
