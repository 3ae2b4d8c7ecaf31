"""Raise what is wrong with the configuration, a document, a plugin, or a name from them."""

from __future__ import annotations

import attrs

from sp00ky_core.errors.base import Sp00kyError, install_hint, nearest

__all__ = [
    "ConfigError",
    "ContractError",
    "PluginLoadError",
    "AdapterMissing",
    "MetricsMissing",
    "ModuleOutdated",
    "UnknownBackend",
    "UnknownRoute",
    "UnknownStrategy",
]


@attrs.define(kw_only=True, eq=False)
class ConfigError(Sp00kyError):
    """A configuration file that can't be used: which file, which key, and what to do.

    Attributes:
        file: The file.
        key: Dotted, as in ``backends.api.timeout``; empty where the whole file is meant.
        problem: What is wrong, in words.
        fix: What to do, where the problem doesn't say it.
    """

    exit_code = 2
    file: str
    key: str = ""
    problem: str
    fix: str = ""

    def __str__(self) -> str:
        text = ": ".join(part for part in (self.file, self.key, self.problem) if part)
        return f"{text}; {self.fix}" if self.fix else text


@attrs.define(kw_only=True, eq=False)
class ContractError(ConfigError):
    """A backend's OpenAPI document that is missing, unreadable, or no OpenAPI 3 document."""


@attrs.define(kw_only=True, eq=False)
class PluginLoadError(Sp00kyError):
    """A plugin that can't be loaded; names the distribution that brought it.

    Attributes:
        distribution: The distribution that brought the plugin.
        problem: What is wrong, in words.
    """

    exit_code = 2
    distribution: str
    problem: str

    def __str__(self) -> str:
        return f"plugin of {self.distribution}: {self.problem}; fix it or uninstall {self.distribution}"


@attrs.define(kw_only=True, eq=False)
class AdapterMissing(Sp00kyError):
    """No installed distribution provides what was asked for.

    Attributes:
        kind: ``store`` or ``transport``.
        name: The scheme that was asked for.
        distribution: The one to install; empty where none of this project provides it.
        known: The names that are installed.
        wanted_by: The backend and the key that name it; empty where that is said elsewhere.
    """

    exit_code = 2
    kind: str
    name: str
    distribution: str
    known: tuple[str, ...] = ()
    wanted_by: str = ""

    def __str__(self) -> str:
        if self.distribution:
            fix = install_hint(self.distribution)
        else:
            fix = f"no known distribution has one; {nearest(self.name, self.known)}"
            fix += "; fix `store` in sp00ky.yml, SP00KY_STORE or --store" if self.kind == "store" else ""
        wanted = f", which {self.wanted_by} wants" if self.wanted_by else ""
        return f"no {self.kind} is installed for {self.name!r}{wanted}: {fix}"


@attrs.define(kw_only=True, eq=False)
class MetricsMissing(Sp00kyError):
    """The library that writes metrics isn't installed."""

    exit_code = 2

    def __str__(self) -> str:
        return f"metrics aren't installed: {install_hint('sp00ky-core[metrics]')}"


@attrs.define(kw_only=True, eq=False)
class ModuleOutdated(Sp00kyError):
    """A generated module that is older than a document that it was made of.

    Attributes:
        module: The module's file.
        document: The document's file.
    """

    module: str
    document: str

    def __str__(self) -> str:
        return f"{self.module} is older than {self.document}; run `sp00ky generate --out {self.module}`"


@attrs.define(kw_only=True, eq=False)
class UnknownBackend(Sp00kyError):
    """No backend of that name is configured, or it is left out.

    Attributes:
        backend: The name that was asked for.
        known: The backends of the configuration.
        reason: Why it is left out.
    """

    exit_code = 2
    backend: str
    known: tuple[str, ...]
    reason: str = ""

    def __str__(self) -> str:
        if self.reason:
            return f"backend {self.backend!r} is left out: {self.reason}"
        return f"no backend {self.backend!r} in the configuration; {nearest(self.backend, self.known)}"


@attrs.define(kw_only=True, eq=False)
class UnknownRoute(Sp00kyError):
    """The path isn't a key of ``paths`` in the backend's OpenAPI document, or can't be called.

    Attributes:
        backend: its name.
        path: the one that was asked for.
        known: those that can be called.
        reason: why it can't be called; empty where the document doesn't have it.
    """

    exit_code = 2
    backend: str
    path: str
    known: tuple[str, ...]
    reason: str = ""

    def __str__(self) -> str:
        if self.reason:
            return f"backend {self.backend!r} can't be called at {self.path!r}: {self.reason}"
        return f"backend {self.backend!r} has no route {self.path!r}; {nearest(self.path, self.known)}"


@attrs.define(kw_only=True, eq=False)
class UnknownStrategy(Sp00kyError):
    """No retry strategy of that name is built in or registered by a plugin.

    Attributes:
        strategy: The name that was asked for.
        known: The names that are known.
    """

    exit_code = 2
    strategy: str
    known: tuple[str, ...]

    def __str__(self) -> str:
        return f"no retry strategy {self.strategy!r}; {nearest(self.strategy, self.known)}"
