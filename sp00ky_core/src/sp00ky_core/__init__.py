"""The outbox for Python services: a job is a row, a runner delivers it over HTTP, nothing is lost.

Applications need ``Outbox``; what else is here is what it takes, returns and raises, and what an adapter or
a plugin is written against. What isn't listed in ``__all__`` may change without notice; the suites that prove
an adapter are in ``sp00ky_core.testing``.
"""

from importlib.metadata import version

from sp00ky_core.config import (
    BackendConfig,
    BreakerConfig,
    Config,
    RetentionConfig,
    RetryConfig,
    Secret,
    SurrealdbConfig,
    find_config,
    load_config,
)
from sp00ky_core.contract import Contract, Route, load_contract
from sp00ky_core.errors import (
    AdapterMissing,
    ConfigError,
    ContractError,
    IllegalTransition,
    JobNotFound,
    OptionInvalid,
    PayloadError,
    PayloadInvalid,
    PayloadNotJson,
    PayloadTooLarge,
    PluginLoadError,
    RowRefused,
    SchemaError,
    Sp00kyError,
    StoreError,
    StoreInUse,
    StoreUnavailable,
    UnknownBackend,
    UnknownRoute,
    UnknownStrategy,
    Violation,
)
from sp00ky_core.hookspecs import hookimpl
from sp00ky_core.job import AttemptError, Job, JobStatus, NewJob
from sp00ky_core.jsontext import JsonText
from sp00ky_core.machine import Transition
from sp00ky_core.outbox import Outbox, TimeoutIgnored
from sp00ky_core.outcome import Delivered, Outcome, Undelivered
from sp00ky_core.plugins import PluginInfo, Plugins, load_plugins
from sp00ky_core.ports import (
    Attempt,
    BackendStats,
    BreakerStats,
    Finding,
    JobQuery,
    JobTable,
    MigrationStep,
    OperatorFate,
    OperatorResult,
    SettleFate,
    Settlement,
    SettleResult,
    Store,
    StoreCapabilities,
    StoreFactory,
    StoreOptions,
    Transport,
    TransportFactory,
)
from sp00ky_core.retry import RetryPolicy, Strategy
from sp00ky_core.runner import Runner, RunnerOptions

__all__ = [
    # Enqueue, watch, operate
    "Outbox",
    "Job",
    "NewJob",
    "JobStatus",
    "AttemptError",
    "JobQuery",
    "JsonText",
    "OperatorResult",
    "OperatorFate",
    "BackendStats",
    "BreakerStats",
    "TimeoutIgnored",
    # Run
    "Runner",
    "RunnerOptions",
    # Configuration
    "Config",
    "BackendConfig",
    "RetryConfig",
    "BreakerConfig",
    "RetentionConfig",
    "SurrealdbConfig",
    "Secret",
    "find_config",
    "load_config",
    # Contracts
    "Contract",
    "Route",
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
    "TransportFactory",
    "Attempt",
    "Outcome",
    "Delivered",
    "Undelivered",
    # Stores
    "Store",
    "StoreFactory",
    "StoreOptions",
    "StoreCapabilities",
    "JobTable",
    "Settlement",
    "SettleResult",
    "SettleFate",
    "Finding",
    "MigrationStep",
    # Errors
    "Sp00kyError",
    "ConfigError",
    "ContractError",
    "PluginLoadError",
    "AdapterMissing",
    "UnknownBackend",
    "UnknownRoute",
    "UnknownStrategy",
    "PayloadError",
    "PayloadInvalid",
    "PayloadNotJson",
    "PayloadTooLarge",
    "Violation",
    "OptionInvalid",
    "IllegalTransition",
    "JobNotFound",
    "StoreError",
    "StoreUnavailable",
    "StoreInUse",
    "SchemaError",
    "RowRefused",
    "__version__",
]

__version__ = version("sp00ky-core")
