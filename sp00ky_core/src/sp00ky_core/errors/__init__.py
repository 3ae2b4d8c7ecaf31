"""Raise every error of the project, under one base.

An error carries its facts as fields, says what to do in its text, and never holds a secret. Adapters
translate what their libraries raise into these at their edge, with the cause chained.
"""

from sp00ky_core.errors.base import Sp00kyError, install_hint, nearest, shown
from sp00ky_core.errors.configuration import (
    AdapterMissing,
    ConfigError,
    ContractError,
    PluginLoadError,
    UnknownBackend,
    UnknownRoute,
    UnknownStrategy,
)
from sp00ky_core.errors.jobs import (
    BackendPaused,
    IllegalTransition,
    JobIdAmbiguous,
    JobNotFound,
    OptionInvalid,
    PayloadError,
    PayloadInvalid,
    PayloadNotJson,
    PayloadTooLarge,
    Violation,
)
from sp00ky_core.errors.runners import RunnerGone
from sp00ky_core.errors.store import (
    CallUnsupported,
    RowRefused,
    SchemaError,
    StoreClosed,
    StoreError,
    StoreInUse,
    StoreUnavailable,
)

__all__ = [
    "Sp00kyError",
    "ConfigError",
    "ContractError",
    "PluginLoadError",
    "AdapterMissing",
    "UnknownBackend",
    "UnknownRoute",
    "UnknownStrategy",
    "Violation",
    "PayloadError",
    "PayloadInvalid",
    "PayloadNotJson",
    "PayloadTooLarge",
    "OptionInvalid",
    "CallUnsupported",
    "IllegalTransition",
    "JobNotFound",
    "JobIdAmbiguous",
    "BackendPaused",
    "RunnerGone",
    "StoreError",
    "StoreUnavailable",
    "StoreClosed",
    "StoreInUse",
    "SchemaError",
    "RowRefused",
    "install_hint",
    "nearest",
    "shown",
]
