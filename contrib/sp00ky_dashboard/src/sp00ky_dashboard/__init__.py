"""Watch and operate an outbox in the browser: ``sp00ky dashboard``, or ``Dashboard`` in your application."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sp00ky_core.plugins.hookspecs import deferred_names

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

_MODULES = {"Dashboard": "app", "Form": "access.forms", "Page": "pages.page", "render": "rendering"}
_MODULES |= dict.fromkeys(("Authenticate", "HeaderAuth", "TokenAuth"), "access.authentication")
_MODULES |= {"Operator": "access.authorization", "Context": "context", "context_of": "context"}
_MODULES |= dict.fromkeys(("Act", "Ask"), "operate.fleet_actions")

__getattr__: Callable[[str], Any] = deferred_names(__name__, **_MODULES)
"""Imports a name when it is asked for: whoever looks for plugins doesn't need a web framework."""
