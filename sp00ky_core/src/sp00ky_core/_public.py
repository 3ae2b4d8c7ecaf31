"""Import what is public, but errors and runners, from where it is; ``sp00ky_core`` does so once asked."""

from sp00ky_core.backend.documents import load_contract
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
from sp00ky_openapi import Contract, Operation

# Enqueue, watch, operate
__all__: list[str] = ["Outbox", "Job", "NewJob", "CommonJobOptions", "JobOptions", "JobStatus"]
__all__ += ["StatusName", "StrategyName", "PluginStrategy", "CallerConnection", "AttemptError"]
__all__ += ["JobQuery", "JobFilter", "BulkResult", "RedactionResult", "Payload", "Refusal", "JsonText"]
__all__ += ["JsonObject", "Statement", "OperatorResult", "OperatorFate", "Rescheduled", "Pause"]
__all__ += ["ErrorGroup", "RunnerRecord", "RunnerState", "SettingsRecord", "Act", "AuditEntry"]
__all__ += ["BackendStats", "BreakerStats", "Rates", "TimeoutIgnored"]
# Configuration
__all__ += ["Config", "BackendConfig", "RetryConfig", "BreakerConfig", "RateConfig", "RetentionConfig"]
__all__ += ["SurrealdbConfig", "Secret", "find_config", "load_config"]
# Contracts
__all__ += ["Contract", "Operation", "load_contract"]
# Plugins
__all__ += ["hookimpl", "Plugins", "PluginInfo", "load_plugins", "RetryPolicy", "Strategy"]
__all__ += ["Transition"]
# Transports
__all__ += ["Transport", "TransportEntry", "TransportFactory", "Attempt", "Outcome", "Delivered"]
__all__ += ["Undelivered"]
# Stores
__all__ += ["Store", "Statements", "StoreFactory", "StoreOptions", "StoreCapabilities", "JobTable"]
__all__ += ["Settlement", "SettleResult", "SettleFate", "Claim", "Breaker", "BreakerChange"]
__all__ += ["BreakerResult", "BreakerState", "Finding", "MigrationStep"]
