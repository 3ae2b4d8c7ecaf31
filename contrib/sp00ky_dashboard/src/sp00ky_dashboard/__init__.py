"""Watch and operate an outbox in the browser: ``sp00ky dashboard``, or ``Dashboard`` in your application."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sp00ky_core.error_texts import refuse_former_name

if TYPE_CHECKING:
    from sp00ky_dashboard.access.authentication import Authenticate, HeaderAuth, TokenAuth
    from sp00ky_dashboard.access.authorization import Operator
    from sp00ky_dashboard.access.forms import Form
    from sp00ky_dashboard.app import Dashboard
    from sp00ky_dashboard.context import Context, context_of
    from sp00ky_dashboard.operate.fleet_actions import Act, Ask
    from sp00ky_dashboard.pages.page import Page
    from sp00ky_dashboard.rendering import render

__all__ = ["Authenticate", "Dashboard", "HeaderAuth", "Operator", "TokenAuth"]
__all__ += ["Act", "Ask", "Context", "Form", "Page", "context_of", "render"]  # for authors of pages


def __getattr__(name: str) -> Any:
    """Import a name when it is asked for: whoever looks for plugins doesn't need a web framework."""
    if name not in __all__:
        refuse_former_name(__name__, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


_MODULES = {
    **dict.fromkeys(("Authenticate", "HeaderAuth", "TokenAuth"), "access.authentication"),
    **dict.fromkeys(("Context", "context_of"), "context"),
    **dict.fromkeys(("Act", "Ask"), "operate.fleet_actions"),
    "Dashboard": "app",
    "Form": "access.forms",
    "Operator": "access.authorization",
    "Page": "pages.page",
    "render": "rendering",
}
