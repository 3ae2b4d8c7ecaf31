"""Promise what a store and a transport do: the two ports; each module's ``__all__`` is public here.

An adapter is done when the conformance suites pass for it. Stores differ in what their ``capabilities`` say,
and in nothing else.
"""

from typing import TYPE_CHECKING

from sp00ky_core.error_texts import former_names
from sp00ky_core.ports import (
    extension,
    fleet,
    job_table,
    query,
    settlement,
    statistics,
    store,
    tables,
    transport,
)
from sp00ky_core.ports.extension import *
from sp00ky_core.ports.fleet import *
from sp00ky_core.ports.job_table import *
from sp00ky_core.ports.query import *
from sp00ky_core.ports.settlement import *
from sp00ky_core.ports.statistics import *
from sp00ky_core.ports.store import *
from sp00ky_core.ports.tables import *
from sp00ky_core.ports.transport import *

__all__: list[str] = []
__all__ += extension.__all__
__all__ += fleet.__all__
__all__ += job_table.__all__
__all__ += query.__all__
__all__ += settlement.__all__
__all__ += statistics.__all__
__all__ += store.__all__
__all__ += tables.__all__
__all__ += transport.__all__

if not TYPE_CHECKING:
    __getattr__ = former_names(__name__)
