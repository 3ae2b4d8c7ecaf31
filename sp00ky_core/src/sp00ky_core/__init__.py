"""The outbox for Python services: a job is a row, a runner delivers it over HTTP, nothing is lost.

Applications need ``Outbox``; what else is here is what it takes, returns and raises, and what an adapter or
a plugin is written against. What isn't listed in ``__all__`` may change without notice; the suites that prove
an adapter are in ``sp00ky_core.testing``.

Names are imported when they are asked for: pytest loads this package in every run, for its fixtures.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sp00ky_core.breaker import Breaker, BreakerChange, BreakerState
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
        CallUnsupported,
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
    from sp00ky_core.jsontext import JsonObject, JsonText
    from sp00ky_core.machine import Transition
    from sp00ky_core.outbox import Outbox, TimeoutIgnored
    from sp00ky_core.outcome import Delivered, Outcome, Undelivered
    from sp00ky_core.plugins import PluginInfo, Plugins, load_plugins
    from sp00ky_core.ports import (
        Attempt,
        BackendStats,
        BreakerResult,
        BreakerStats,
        Claim,
        Finding,
        JobQuery,
        JobTable,
        MigrationStep,
        OperatorFate,
        OperatorResult,
        SettleFate,
        Settlement,
        SettleResult,
        Statements,
        Store,
        StoreCapabilities,
        StoreFactory,
        StoreOptions,
        Transport,
        TransportFactory,
    )
    from sp00ky_core.retry import RetryPolicy, Strategy
    from sp00ky_core.runner import Runner, RunnerOptions
    from sp00ky_core.statement import Statement

    __version__: str

__all__ = [
    # Enqueue, watch, operate
    "Outbox",
    "Job",
    "NewJob",
    "JobStatus",
    "AttemptError",
    "JobQuery",
    "JsonText",
    "JsonObject",
    "Statement",
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
    "CallUnsupported",
    "IllegalTransition",
    "JobNotFound",
    "StoreError",
    "StoreUnavailable",
    "StoreInUse",
    "SchemaError",
    "RowRefused",
    "__version__",
]

_MODULES = {
    "breaker": ("Breaker", "BreakerChange", "BreakerState"),
    "config": (
        "BackendConfig",
        "BreakerConfig",
        "Config",
        "RetentionConfig",
        "RetryConfig",
        "Secret",
        "SurrealdbConfig",
        "find_config",
        "load_config",
    ),
    "contract": ("Contract", "Route", "load_contract"),
    "errors": (
        "AdapterMissing",
        "CallUnsupported",
        "ConfigError",
        "ContractError",
        "IllegalTransition",
        "JobNotFound",
        "OptionInvalid",
        "PayloadError",
        "PayloadInvalid",
        "PayloadNotJson",
        "PayloadTooLarge",
        "PluginLoadError",
        "RowRefused",
        "SchemaError",
        "Sp00kyError",
        "StoreError",
        "StoreInUse",
        "StoreUnavailable",
        "UnknownBackend",
        "UnknownRoute",
        "UnknownStrategy",
        "Violation",
    ),
    "hookspecs": ("hookimpl",),
    "job": ("AttemptError", "Job", "JobStatus", "NewJob"),
    "jsontext": ("JsonObject", "JsonText"),
    "machine": ("Transition",),
    "outbox": ("Outbox", "TimeoutIgnored"),
    "outcome": ("Delivered", "Outcome", "Undelivered"),
    "plugins": ("PluginInfo", "Plugins", "load_plugins"),
    "ports": (
        "Attempt",
        "BackendStats",
        "BreakerResult",
        "BreakerStats",
        "Claim",
        "Finding",
        "JobQuery",
        "JobTable",
        "MigrationStep",
        "OperatorFate",
        "OperatorResult",
        "SettleFate",
        "Settlement",
        "SettleResult",
        "Statements",
        "Store",
        "StoreCapabilities",
        "StoreFactory",
        "StoreOptions",
        "Transport",
        "TransportFactory",
    ),
    "retry": ("RetryPolicy", "Strategy"),
    "runner": ("Runner", "RunnerOptions"),
    "statement": ("Statement",),
}
"""Which module has which names."""

_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


if not TYPE_CHECKING:  # a type checker would take every name for one of ours

    def __getattr__(name: str) -> object:
        if name == "__version__":
            value = import_module("importlib.metadata").version("sp00ky-core")
        elif name in _MODULE_OF:
            value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value  # asked for once
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
