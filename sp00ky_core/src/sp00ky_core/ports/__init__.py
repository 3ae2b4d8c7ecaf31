"""Promise what a store and a transport do: the two ports.

An adapter is done when the conformance suites pass for it. Stores differ in what their ``capabilities`` say,
and in nothing else.
"""

from sp00ky_core.ports.audit import AUDIT_KEPT, Act, AuditEntry
from sp00ky_core.ports.findings import Finding, MigrationStep
from sp00ky_core.ports.operators import OperatorFate, OperatorResult, Pause, Reschedule
from sp00ky_core.ports.query import MAX_LIMIT, JobFilter, JobQuery, check_limit
from sp00ky_core.ports.runners import (
    DEAD_AFTER,
    NO_INFO,
    OverdueClaim,
    RunnerBeat,
    RunnerInfo,
    RunnerRecord,
    RunnerState,
)
from sp00ky_core.ports.settlement import Claim, SettleFate, Settlement, SettleResult
from sp00ky_core.ports.statement import Statement
from sp00ky_core.ports.stats import BackendStats, BreakerResult, BreakerStats, ErrorGroup
from sp00ky_core.ports.store import Grants, Statements, Store, StoreFactory
from sp00ky_core.ports.tables import (
    LEASE_MARGIN,
    LONGEST_LEASE,
    PROBE_MARGIN,
    PROBE_WINDOW,
    JobTable,
    StoreCapabilities,
    StoreOptions,
)
from sp00ky_core.ports.transport import Attempt, Transport, TransportFactory

__all__ = [
    "JobTable",
    "StoreOptions",
    "StoreCapabilities",
    "Claim",
    "Store",
    "Statements",
    "Grants",
    "Statement",
    "Settlement",
    "SettleFate",
    "SettleResult",
    "OperatorFate",
    "OperatorResult",
    "Reschedule",
    "Pause",
    "Act",
    "AuditEntry",
    "AUDIT_KEPT",
    "ErrorGroup",
    "RunnerRecord",
    "RunnerState",
    "DEAD_AFTER",
    "RunnerInfo",
    "NO_INFO",
    "RunnerBeat",
    "OverdueClaim",
    "BreakerResult",
    "JobFilter",
    "JobQuery",
    "BreakerStats",
    "BackendStats",
    "Finding",
    "MigrationStep",
    "Attempt",
    "Transport",
    "StoreFactory",
    "TransportFactory",
    "LEASE_MARGIN",
    "LONGEST_LEASE",
    "PROBE_MARGIN",
    "PROBE_WINDOW",
    "MAX_LIMIT",
    "check_limit",
]
