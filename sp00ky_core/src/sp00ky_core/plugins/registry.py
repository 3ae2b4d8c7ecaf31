"""Discover, load and check plugins; register what they bring."""

from __future__ import annotations

import inspect
import logging
import operator
import re
import sys
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import Distribution, EntryPoint, entry_points, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import attrs
import pluggy

from sp00ky_core.config import Config
from sp00ky_core.config import load_config as read_config
from sp00ky_core.config.keys import FOREIGN, written_keys
from sp00ky_core.error_texts import EXTENSIONS
from sp00ky_core.errors import AdapterMissing, PluginLoadError, PluginsCollide, Sp00kyError
from sp00ky_core.job.retry import STRATEGIES, Strategy
from sp00ky_core.plugins import dispatch, hookspecs
from sp00ky_core.plugins.dispatch import BUILT_IN, DECISIONS, MERGED, OBSERVERS, Hooks
from sp00ky_core.ports import (
    SHAPES,
    Extension,
    Store,
    StoreFactory,
    StoreOptions,
    Table,
    TransportEntry,
    TransportFactory,
    entry_of,
)

if TYPE_CHECKING:
    from types import ModuleType

    import click  # applications that only enqueue don't load it


logger: logging.Logger = logging.getLogger(__name__)

GROUP = "sp00ky"

_POSTGRES = ("postgresql", "postgres", "postgresql+asyncpg", "postgresql+psycopg")

DISTRIBUTIONS = {
    "memory": "sp00ky-store-kit",
    "sqlite": "sp00ky-store-sqlite",
    **dict.fromkeys(("mysql", "mariadb"), "sp00ky-store-mysql"),
    **dict.fromkeys(("mem", "surrealkv", "ws", "wss"), "sp00ky-store-surreal"),
    **dict.fromkeys(_POSTGRES, "sp00ky-store-postgres"),
    **dict.fromkeys(("http", "https"), "sp00ky-transport-http"),
    **dict.fromkeys(("amqp", "amqps"), "sp00ky-transport-amqp"),
    "asgi": "sp00ky-transport-asgi",
    "python": "sp00ky-tasks",
    "webhook": "sp00ky-webhooks",
}
"""Which distribution to install for a scheme; only for the text of ``AdapterMissing``."""


EXTENSION_MEMBERS = ("options", "tables", "api", "start", "commands", "pages", "findings", "retention")

OWN_KEYS = frozenset({*written_keys(Config, "")[""], *(FOREIGN[""] or ())}) - EXTENSIONS.keys()
"""The keys at the top of sp00ky.yml that are no extension's."""

EXTENSIONS_KIND = "extensions"

OWN_TABLES = frozenset(
    f"sp00ky_{name}" for name in ("runner", "breaker", "control", "audit", "rollup", "migration", "shape")
)
"""Tables of the core, which no extension may declare."""

REGISTERED = {
    "stores": "store",
    "transports": "transport",
    "retry_strategies": "retry strategy",
    "commands": "command",
    "extensions": "extension",
}
"""What plugins register, by hook, and the word for one of it."""


@attrs.frozen(kw_only=True)
class PluginInfo:
    """A loaded plugin, as ``sp00ky plugins`` shows it.

    Attributes:
        name: The name.
        distribution: The distribution that brought it.
        version: The distribution's.
        stores: Schemes of the stores that it registers.
        transports: Schemes of its transports.
        retry_strategies: Names of its retry strategies.
        commands: Names of the commands that it registers.
        extensions: Keys of sp00ky.yml that its extensions read.
        hooks: Names of the hooks that it implements.
    """

    name: str
    distribution: str
    version: str
    stores: tuple[str, ...] = ()
    transports: tuple[str, ...] = ()
    retry_strategies: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    hooks: tuple[str, ...] = ()


class Plugins:
    """The plugins of one outbox: what they registered, and their hooks.

    Attributes:
        left_out: Why extensions that are installed aren't there; jobs are delivered without them.
    """

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._manager.register(dispatch, name=BUILT_IN)
        built_in = {name: (strategy, "sp00ky-core") for name, strategy in STRATEGIES.items()}
        self._known: dict[str, dict[str, tuple[Any, str]]]  # by kind and name: what was registered, by whom
        self._known = {kind: {} for kind in REGISTERED} | {"retry_strategies": built_in}
        self._infos: list[PluginInfo] = []
        self._declared: set[str] = set()  # hooks of extensions
        self.left_out: list[PluginLoadError] = []

    def declare(self, plugin: object) -> None:
        """Make the hooks known that a plugin declares; those of all, before one is registered."""
        specs = inspect.getmembers(plugin, lambda value: hasattr(value, f"{hookspecs.PROJECT}_spec"))
        if new := {name for name, _ in specs} - self._declared:
            self._manager.add_hookspecs(cast("ModuleType", plugin))
            self._declared |= new

    def register(
        self, plugin: object, *, name: str, distribution: str, version: str = "", tolerant: bool = False
    ) -> None:
        """Add one plugin, a module or an object.

        Args:
            plugin: The module, or the object.
            name: Its name.
            distribution: What brought it.
            version: The distribution's.
            tolerant: Leave out extensions that can't be registered, and say so in ``left_out``.

        Raises:
            PluginLoadError: a misspelt or wrongly typed hook, an asynchronous decision, a duplicate.
        """
        self.declare(plugin)
        try:
            self._manager.register(plugin, name=f"{distribution}:{name}")
            self._manager.check_pending()
        except (pluggy.PluginValidationError, ValueError) as error:
            raise PluginLoadError(distribution=distribution, problem=_one_line(error)) from error
        callers = list(self._manager.get_hookcallers(plugin) or ())
        if problem := next(_problems(plugin, callers, OBSERVERS | self._declared), ""):
            raise PluginLoadError(distribution=distribution, problem=problem)
        others = (kind for kind in REGISTERED if kind != EXTENSIONS_KIND)
        registered = {kind: self._collect(kind, plugin, distribution) for kind in others}
        try:
            registered[EXTENSIONS_KIND] = self._collect(EXTENSIONS_KIND, plugin, distribution)
        except Sp00kyError as error:
            if not tolerant:
                raise
            self.leave_out(distribution, error)
        hooks = tuple(sorted(hook.name for hook in callers))
        self._infos.append(
            PluginInfo(name=name, distribution=distribution, version=version, hooks=hooks, **registered)
        )

    def leave_out(self, distribution: str, error: Sp00kyError) -> None:
        """Go on without the extensions that an error is about, and say so."""
        if isinstance(error, PluginsCollide):
            problem = f"{error.other} has registered {error.problem}, too"
            error = PluginLoadError(distribution=distribution, problem=problem)
        elif not isinstance(error, PluginLoadError):
            error = PluginLoadError(distribution=distribution, problem=str(error))
        self.left_out.append(error)
        logger.warning("%s; without it jobs are delivered all the same", error)

    def _collect(self, kind: str, plugin: object, distribution: str) -> tuple[str, ...]:
        hook, known, registered = f"sp00ky_register_{kind}", self._known[kind], dict[str, Any]()
        for impl in getattr(self._manager.hook, hook).get_hookimpls():
            if impl.plugin is plugin:
                with _blaming(distribution, f"{hook} failed"):
                    registered = dict(impl.function() or {})
        for name, factory in registered.items():
            other = known[name][1] if name in known else ""
            if other not in {"", "sp00ky-core", distribution}:
                what = f"the {REGISTERED[kind]} {name!r}"
                raise PluginsCollide(distribution=distribution, other=other, problem=what)
            with _blaming(distribution, f"{hook} registers {name!r}, which can't be read"):
                problem = f"which {other} has registered too" if other else self._wrong(kind, name, factory)
            if problem:
                problem = f"{hook} registers {name!r}, {problem}"
                raise PluginLoadError(distribution=distribution, problem=problem)
            known[name] = (factory, distribution)
        return tuple(registered)

    def _wrong(self, kind: str, name: str, registered: Any) -> str:
        """Say what is wrong with something that a plugin registers; empty: nothing."""
        if kind != EXTENSIONS_KIND:
            return "" if callable(registered) else "with something that can't be called"
        if lacking := [member for member in EXTENSION_MEMBERS if not hasattr(registered, member)]:
            return f"which has no {lacking[0]}: see the Protocol Extension"
        if name in OWN_KEYS:
            return "a key of sp00ky.yml that the outbox reads itself"
        taken = {table.name for other, _ in self._known[kind].values() for table in other.tables}
        for table in registered.tables:
            if not table.name.startswith("sp00ky_"):
                return f"whose table {table.name!r} isn't named sp00ky_..."
            if table.name in taken | OWN_TABLES:
                return f"whose table {table.name!r} is another's"
        return ""

    @property
    def extensions(self) -> Mapping[str, Extension]:
        """Extensions by the key of sp00ky.yml that each reads."""
        return {name: extension for name, (extension, _) in self._known["extensions"].items()}

    @property
    def extension_tables(self) -> tuple[Table, ...]:
        """The tables of all extensions."""
        return tuple(table for extension in self.extensions.values() for table in extension.tables)

    @property
    def kept_tables(self) -> tuple[Table, ...]:
        """The same, and the table that keeps their shapes."""
        return (*self.extension_tables, SHAPES) if self.extension_tables else ()

    def distribution_of(self, extension: str) -> str:
        """Return which distribution has registered an extension."""
        return str(self._known["extensions"][extension][1])

    @property
    def infos(self) -> tuple[PluginInfo, ...]:
        """The loaded plugins, in the order of loading."""
        return tuple(self._infos)

    @property
    def strategies(self) -> Mapping[str, Strategy]:
        """Retry strategies by name, the built-in ones included."""
        return {name: strategy for name, (strategy, _) in self._known["retry_strategies"].items()}

    @property
    def commands(self) -> Mapping[str, click.Command]:
        """Return the commands that plugins bring, by name."""
        own = {name: command for name, (command, _) in self._known["commands"].items()}
        for name, extension in self.extensions.items():
            with _blaming(self.distribution_of(name), "commands() failed"):
                own |= extension.commands()
        return own

    def store(self, scheme: str) -> StoreFactory:
        """Return the factory of a store by its URL's scheme. Raises ``AdapterMissing``."""
        return cast("StoreFactory", self._of("store", scheme))

    def made_store(self, options: StoreOptions) -> Store:
        """Make the store of a URL.

        Raises:
            AdapterMissing: no plugin has one for its scheme.
            PluginLoadError: it can't be made, or lacks a call; it names its distribution.
            Sp00kyError: what the store says of its options.
        """
        scheme = options.url.partition(":")[0]
        factory, distribution = self.store(scheme), self._known["stores"][scheme][1]
        with _blaming(distribution, f"the store for {scheme}:// can't be made of StoreOptions"):
            store = factory(options)
        calls = [name for name, call in vars(Store).items() if inspect.isfunction(call) and name[0] != "_"]
        if lacking := [name for name in calls if not hasattr(store, name)]:
            problem = f"the store for {scheme}:// lacks {', '.join(lacking)}; see sp00ky_core.ports.Store"
            raise PluginLoadError(distribution=distribution, problem=problem)
        return store

    def transport(self, scheme: str) -> TransportFactory:
        """Return the factory of a transport by its name, mostly a URL's scheme. Raises ``AdapterMissing``."""
        return cast("TransportFactory", self._of("transport", scheme))

    def _of(self, kind: str, name: str) -> object:
        known = self._known[f"{kind}s"]
        if name not in known:
            distribution = DISTRIBUTIONS.get(name, "")
            if f"-{kind}-" not in distribution:  # a transport's, for a store
                distribution = ""
            raise AdapterMissing(kind=kind, name=name, distribution=distribution, known=tuple(known))
        return known[name][0]

    @property
    def transports(self) -> Mapping[str, TransportEntry]:
        """What is known of each transport, by the scheme that it is registered for."""
        return {scheme: entry_of(factory) for scheme, (factory, _) in self._known["transports"].items()}

    def hooks(self) -> Hooks:
        """Return the hooks, ready to be called."""
        return Hooks(self._manager, self._declared)


def load_plugins(found: Iterable[EntryPoint] | None = None) -> Plugins:
    """Load every installed plugin, sorted by distribution and name.

    An extension that can't be is left out, named in a warning and in ``Plugins.left_out``.

    Raises:
        PluginLoadError: another one can't be imported or registered; it names its distribution.
    """
    plugins = Plugins()
    installed = entry_points(group=GROUP) if found is None else found
    # The same distribution may be found twice on a path that holds it twice.
    unique = {(_distribution(point), point.name, point.value): point for point in installed}
    loaded = list[tuple[str, EntryPoint, object]]()
    for (distribution, _, value), point in sorted(unique.items(), key=lambda item: item[0]):
        try:
            with _misfitting(point), _blaming(distribution, f"{value} can't be imported"):
                plugin = point.load()
                plugins.declare(plugin)
        except Sp00kyError as error:
            if not _only_extends(point):
                raise
            plugins.leave_out(distribution, error)
        else:
            loaded.append((distribution, point, plugin))
    for distribution, point, plugin in loaded:
        made = point.dist.version if point.dist else ""
        with _misfitting(point):
            plugins.register(plugin, name=point.name, distribution=distribution, version=made, tolerant=True)
        if misfit := _misfit(point.dist):
            logger.warning("%s: %s; install the version of it that fits", distribution, misfit)
    return plugins


def _only_extends(point: EntryPoint) -> bool:
    """Tell whether a plugin that can't be imported registers extensions, and decides nothing about jobs.

    Its source says so, which is read without running it: one that may decide must not be missing in silence.
    """
    source = _source(point.module)
    decides = {*DECISIONS, MERGED, "sp00ky_register_retry_strategies"}
    return f"sp00ky_register_{EXTENSIONS_KIND}" in source and not any(name in source for name in decides)


def _source(module: str) -> str:
    """Read a module's source, and run nothing, its packages included; empty: it isn't found."""
    place, spec = None, None
    for end, _ in enumerate(parts := module.split("."), start=1):
        specs = (finder.find_spec(".".join(parts[:end]), place) for finder in sys.meta_path)
        spec = next(filter(None, specs), None)
        if spec is None:
            return ""
        place = spec.submodule_search_locations
    if spec is None or not spec.has_location or spec.origin is None:
        return ""
    with suppress(OSError):
        return Path(spec.origin).read_text(encoding="utf-8", errors="replace")
    return ""


@contextmanager
def _misfitting(point: EntryPoint) -> Iterator[None]:
    """Say of a plugin that can't be loaded for which core it is made, where that is another."""
    try:
        yield
    except PluginLoadError as error:
        if not (misfit := _misfit(point.dist)):
            raise
        problem = f"{misfit}: {error.problem}"
        raise PluginLoadError(distribution=_distribution(point), problem=problem) from error


_CORE = re.compile(r"sp00ky[-_.]core\s*(?:\[[^]]*\])?\s*\(?([<>=!~][^;)]*)", re.IGNORECASE)
_BOUND = re.compile(r"([<>]=?|==|!=|~=)\s*(\d+(?:\.\d+)*)")
_MET: Mapping[str, Callable[[list[int], list[int]], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "~=": lambda have, bound: have >= bound and have[:-1] == bound[:-1],
}


def _misfit(dist: Distribution | None) -> str:
    """Say for which versions of the core a distribution was made; empty: for this one, or that isn't said."""
    needed = (_CORE.match(text) for text in (dist.requires if dist else None) or ())
    asked = ",".join(match[1].strip() for match in needed if match)
    core = version("sp00ky-core")
    bounds = [(kind, _numbers(bound)) for kind, bound in _BOUND.findall(asked)]
    if all(_MET[kind](_numbers(core)[: len(bound)], bound) for kind, bound in bounds):
        return ""
    return f"it is made for sp00ky-core {asked}, this is {core}"


def _numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)]


def load_config(
    file: Path, environ: Mapping[str, str] | None = None, *, plugins: Plugins | None = None
) -> Config:
    """Read a configuration file, with the sections of transports; by default all that are installed.

    ``environ`` is by default the process's environment.

    Raises:
        ConfigError: the file, the key, and what to do; never a secret's value.
        PluginLoadError: an installed plugin can't be loaded.
    """
    known = plugins or load_plugins()
    sections = {name: extension.options for name, extension in known.extensions.items()}
    return read_config(file, environ, transports=known.transports, sections=sections)


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist else "an unknown distribution"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


@contextmanager
def _blaming(distribution: str, what: str) -> Iterator[None]:
    """Raise ``PluginLoadError`` for whatever a stranger's module, its hook or factory raises or returns."""
    try:
        yield
    except Sp00kyError:
        raise  # it says itself what to do
    except Exception as error:
        problem = f"{what}: {type(error).__name__}: {_one_line(error)}"
        raise PluginLoadError(distribution=distribution, problem=problem) from error


def _problems(plugin: object, hooks: Iterable[pluggy.HookCaller], observers: Container[str]) -> Iterator[str]:
    """Yield what is wrong with the hooks that a plugin implements, or means to."""
    marks = (f"{hookspecs.PROJECT}_impl", f"{hookspecs.PROJECT}_spec")
    for name, value in inspect.getmembers(plugin, inspect.isroutine):
        if name.startswith("sp00ky_") and not any(hasattr(value, mark) for mark in marks):
            yield f"{name} isn't marked with @hookimpl, so it would never be called"
    impls = [(hook.name, impl) for hook in hooks for impl in hook.get_hookimpls() if impl.plugin is plugin]
    for name, impl in impls:
        if name not in observers and inspect.iscoroutinefunction(impl.function):
            yield f"{name} must not be async: its result is needed at once"
        on_error = getattr(impl.function, hookspecs.ON_ERROR, "log")
        if on_error not in ("log", "fail") or (on_error == "fail" and name != MERGED):
            yield f"{name} can't have on_error={on_error!r}: {MERGED} may have 'fail'"
        if name not in DECISIONS and (impl.hookwrapper or impl.wrapper):
            yield f"{name} can't be wrapped: only {', '.join(sorted(DECISIONS))} can"
