"""Promise what a store and a transport do: the two ports; each module's ``__all__`` is public here.

An adapter is done when the conformance suites pass for it. Stores differ in what their ``capabilities`` say,
and in nothing else.
"""

from sp00ky_core.ports import (
    capabilities,
    extension,
    job_table,
    operators,
    query,
    queue_stats,
    rollups,
    runners,
    settlement,
    store,
    tables,
    transport,
)
from sp00ky_core.ports.capabilities import *
from sp00ky_core.ports.extension import *
from sp00ky_core.ports.job_table import *
from sp00ky_core.ports.operators import *
from sp00ky_core.ports.query import *
from sp00ky_core.ports.queue_stats import *
from sp00ky_core.ports.rollups import *
from sp00ky_core.ports.runners import *
from sp00ky_core.ports.settlement import *
from sp00ky_core.ports.store import *
from sp00ky_core.ports.tables import *
from sp00ky_core.ports.transport import *

__all__: list[str] = []
__all__ += capabilities.__all__
__all__ += extension.__all__
__all__ += operators.__all__
__all__ += query.__all__
__all__ += queue_stats.__all__
__all__ += rollups.__all__
__all__ += runners.__all__
__all__ += settlement.__all__
__all__ += store.__all__
__all__ += tables.__all__
__all__ += job_table.__all__
__all__ += transport.__all__
