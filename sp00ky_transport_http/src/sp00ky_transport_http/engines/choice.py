"""Choose the engine that sends a backend's requests."""

from __future__ import annotations

from importlib.util import find_spec

from sp00ky_core.config import BackendConfig
from sp00ky_core.errors import ConfigError, install_hint
from sp00ky_transport_http.engines.engine import Engine

__all__ = ["engine_name", "new_engine"]


def engine_name(backend: BackendConfig) -> str:
    """Return the engine's name: ``auto`` is httptools where it is installed and no proxy is needed.

    Raises:
        ConfigError: httptools is wanted and can't be had.
    """
    is_installed = find_spec("httptools") is not None
    if backend.engine == "auto":
        return "httptools" if is_installed and backend.proxy is None else "aiohttp"
    if backend.engine == "httptools" and backend.proxy is not None:
        raise _unfit(backend, "httptools knows no proxies; write auto or aiohttp")
    if backend.engine == "httptools" and not is_installed:
        raise _unfit(backend, f"httptools is not installed; {install_hint('sp00ky-transport-http[fast]')}")
    return backend.engine


def _unfit(backend: BackendConfig, problem: str) -> ConfigError:
    return ConfigError(file="", key=f"backends.{backend.name}.engine", problem=problem)


def new_engine(name: str) -> Engine:
    """Make an engine; its library is imported once a backend asks for it."""
    if name == "httptools":
        from sp00ky_transport_http.engines.httptools import HttptoolsEngine  # noqa: PLC0415  # see above

        return HttptoolsEngine()
    from sp00ky_transport_http.engines.aiohttp import AiohttpEngine  # noqa: PLC0415  # see above

    return AiohttpEngine()
