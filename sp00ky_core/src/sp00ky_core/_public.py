"""Import what is public, but errors and runners, from where it is; ``sp00ky_core`` does so once asked."""

from sp00ky_core.config import (
    BackendConfig,
    BreakerConfig,
    Config,
    RateConfig,
    RetentionConfig,
    RetryConfig,
    Secret,
    SurrealdbConfig,
    find_config,
)
from sp00ky_core.contract import Contract, Operation, load_contract
from sp00ky_core.encoding.json_bytes import JsonObject, JsonText, Payload
from sp00ky_core.gate.breaker import Breaker, BreakerChange, BreakerState
from sp00ky_core.job.job import AttemptError, Job, JobStatus, NewJob, StatusName
from sp00ky_core.job.options import CommonJobOptions, JobOptions
from sp00ky_core.job.outcome import Delivered, Outcome, Undelivered
from sp00ky_core.job.retry import PluginStrategy, RetryPolicy, Strategy, StrategyName
from sp00ky_core.job.state_machine import Rescheduled, Transition
from sp00ky_core.observe.rates import Rates
from sp00ky_core.outbox.operators.bulk import BulkResult, Refusal
from sp00ky_core.outbox.operators.redaction import RedactionResult
from sp00ky_core.outbox.outbox import Outbox, TimeoutIgnored
from sp00ky_core.plugins.hookspecs import hookimpl
from sp00ky_core.plugins.registry import PluginInfo, Plugins, load_config, load_plugins
from sp00ky_core.ports import (
    Act,
    Attempt,
    AuditEntry,
    BackendStats,
    BreakerResult,
    BreakerStats,
    CallerConnection,
    Claim,
    ErrorGroup,
    Finding,
    JobFilter,
    JobQuery,
    JobTable,
    MigrationStep,
    OperatorFate,
    OperatorResult,
    Pause,
    RunnerRecord,
    RunnerState,
    SettingsRecord,
    SettleFate,
    Settlement,
    SettleResult,
    Statement,
    Statements,
    Store,
    StoreCapabilities,
    StoreFactory,
    StoreOptions,
    Transport,
    TransportEntry,
    TransportFactory,
)

__all__: list[str] = [
    # Enqueue, watch, operate
    "Outbox",
    "Job",
    "NewJob",
    "CommonJobOptions",
    "JobOptions",
    "JobStatus",
    "StatusName",
    "StrategyName",
    "PluginStrategy",
    "CallerConnection",
    "AttemptError",
    "JobQuery",
    "JobFilter",
    "BulkResult",
    "RedactionResult",
    "Payload",
    "Refusal",
    "JsonText",
    "JsonObject",
    "Statement",
    "OperatorResult",
    "OperatorFate",
    "Rescheduled",
    "Pause",
    "ErrorGroup",
    "RunnerRecord",
    "RunnerState",
    "SettingsRecord",
    "Act",
    "AuditEntry",
    "BackendStats",
    "BreakerStats",
    "Rates",
    "TimeoutIgnored",
    # Configuration
    "Config",
    "BackendConfig",
    "RetryConfig",
    "BreakerConfig",
    "RateConfig",
    "RetentionConfig",
    "SurrealdbConfig",
    "Secret",
    "find_config",
    "load_config",
    # Contracts
    "Contract",
    "Operation",
    "load_contract",
    # Plugins
    "hookimpl",
    "Plugins",
    "PluginInfo",
    "load_plugins",
    "RetryPolicy",
    "Strategy",
    "Transition",
    # Transports
    "Transport",
    "TransportEntry",
    "TransportFactory",
    "Attempt",
    "Outcome",
    "Delivered",
    "Undelivered",
    # Stores
    "Store",
    "Statements",
    "StoreFactory",
    "StoreOptions",
    "StoreCapabilities",
    "JobTable",
    "Settlement",
    "SettleResult",
    "SettleFate",
    "Claim",
    "Breaker",
    "BreakerChange",
    "BreakerResult",
    "BreakerState",
    "Finding",
    "MigrationStep",
]
