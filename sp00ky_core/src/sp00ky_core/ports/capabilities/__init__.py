"""Promise what a store may do beside ``Store``: each a Protocol, with a flag in its capabilities.

What the core does with a store that lacks one stands at each; nothing is ever ignored. ``TransactionalStore``
has them all.
"""

from sp00ky_core.ports.capabilities.audit import Audit
from sp00ky_core.ports.capabilities.breakers import Breakers
from sp00ky_core.ports.capabilities.checks import Checks
from sp00ky_core.ports.capabilities.clears import Clears
from sp00ky_core.ports.capabilities.counts import Counts
from sp00ky_core.ports.capabilities.error_groups import ErrorGroups
from sp00ky_core.ports.capabilities.grants import Grants
from sp00ky_core.ports.capabilities.limits import Limits
from sp00ky_core.ports.capabilities.lookup import FLAGS, has, needed
from sp00ky_core.ports.capabilities.ordering import Ordering
from sp00ky_core.ports.capabilities.overdue_claims import OverdueClaims
from sp00ky_core.ports.capabilities.pauses import Pauses
from sp00ky_core.ports.capabilities.retention import Retention
from sp00ky_core.ports.capabilities.rollups import Rollups
from sp00ky_core.ports.capabilities.runners import Runners
from sp00ky_core.ports.capabilities.schedules import Schedules
from sp00ky_core.ports.capabilities.short_ids import ShortIds
from sp00ky_core.ports.capabilities.sql_statements import SqlStatements
from sp00ky_core.ports.capabilities.statements import Statements
from sp00ky_core.ports.capabilities.synchronous_enqueue import SynchronousEnqueue
from sp00ky_core.ports.capabilities.synchronous_migrate import SynchronousMigrate
from sp00ky_core.ports.capabilities.watch import Watch

__all__ = [
    "FLAGS",
    "Audit",
    "Breakers",
    "Checks",
    "Clears",
    "Retention",
    "Counts",
    "ErrorGroups",
    "Grants",
    "Limits",
    "Ordering",
    "OverdueClaims",
    "Pauses",
    "Rollups",
    "Runners",
    "Schedules",
    "ShortIds",
    "SqlStatements",
    "Statements",
    "SynchronousEnqueue",
    "SynchronousMigrate",
    "Watch",
    "has",
    "needed",
]
