"""Generate a typed module from OpenAPI documents; what such a module stands on is here."""

from sp00ky_core.generate import calls
from sp00ky_core.generate.calls import *
from sp00ky_core.generate.calls import JobOf as JobOf  # a class for type checkers only

__all__: list[str] = []
__all__ += calls.__all__
