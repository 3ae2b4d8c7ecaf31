"""Watch and operate an outbox in the browser: ``sp00ky dashboard``, or ``Dashboard`` in your application."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sp00ky_dashboard.access.authentication import Authenticate, HeaderAuth, TokenAuth
    from sp00ky_dashboard.access.authorization import Operator
    from sp00ky_dashboard.app import Dashboard

__all__ = ["Authenticate", "Dashboard", "HeaderAuth", "Operator", "TokenAuth"]


def __getattr__(name: str) -> Any:
    """Import a name when it is asked for: whoever looks for plugins doesn't need a web framework."""
    if name == "BasicAuth":
        raise ImportError("BasicAuth is gone since 0.4: use TokenAuth({name: token})")
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "app" if name == "Dashboard" else "access.authentication"
    return getattr(import_module(f"{__name__}.{module}"), name)
