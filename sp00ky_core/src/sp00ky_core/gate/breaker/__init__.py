"""Decide when a backend counts as unavailable, and what follows; each module's ``__all__`` is public here.

Pure: no IO, no clock. A change carries seconds, not instants; the store adds them to the database's clock and
writes it under a guard. The state is the whole fleet's: whoever sees a failure counts it for all.
"""

from sp00ky_core.gate.breaker import routes, rules
from sp00ky_core.gate.breaker.routes import *
from sp00ky_core.gate.breaker.rules import *

__all__: list[str] = []
__all__ += routes.__all__
__all__ += rules.__all__
