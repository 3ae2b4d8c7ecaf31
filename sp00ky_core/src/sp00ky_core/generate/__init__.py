"""Generate a typed module from OpenAPI documents; what such a module stands on is here."""

from sp00ky_core.generate import runtime
from sp00ky_core.generate.runtime import *
from sp00ky_core.generate.runtime import JobOf as JobOf  # a class for type checkers only

__all__: list[str] = []
__all__ += runtime.__all__
