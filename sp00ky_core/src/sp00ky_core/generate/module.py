"""Write the typed module of a configuration: a class for each backend, and the overloads of ``run``."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path

import attrs

from sp00ky_core.backend.backend import Backend
from sp00ky_core.generate import calls as exported
from sp00ky_core.generate.names import Names, attribute_name, class_name
from sp00ky_core.generate.routes import Call, calls_of
from sp00ky_core.job.options import is_plain_text

MARK = "# Written by `sp00ky generate`, which writes it anew: change nothing here.\n"
"""The first line of each module, by which it is known to be one."""

HEAD = """\
# ruff: noqa
# fmt: off
# pyright: reportUnusedImport=false
from __future__ import annotations

"""

IMPORTS: Mapping[str, tuple[str, ...]] = {
    "collections.abc": ("Mapping", "Sequence"),
    "datetime": ("date", "datetime"),
    "typing": ("Any", "Literal", "NotRequired", "TypeAlias", "TypedDict", "Unpack", "cast", "overload"),
    "uuid": ("UUID",),
    "sp00ky_core": ("CallerConnection", "CommonJobOptions", "Outbox"),
    "sp00ky_core.generate": tuple(exported.__all__),
    "sp00ky_core.sync": ("SyncOutbox",),
}
"""What a module may need."""

OWN = ("DOCUMENTS", "Strategy", "Options", "SyncOptions", "TypedOutbox", "TypedSyncOutbox")
"""Names of a module that no document has a say in."""

OPTIONS = """\
class Options(CommonJobOptions, total=False):
    retry_strategy: Strategy | None
    connection: CallerConnection


class SyncOptions(Options, total=False):
    autocommit: bool
"""


@attrs.frozen(kw_only=True)
class _Kind:
    """The asynchronous or the synchronous half of a module."""

    prefix: str
    define: str
    wait: str
    documented: str


_KINDS = (
    _Kind(prefix="", define="async def", wait="await ", documented="outbox"),
    _Kind(prefix="Sync", define="def", wait="", documented="outbox.asynchronous"),
)


@attrs.frozen(kw_only=True)
class _Backend:
    name: str
    attribute: str
    calls_class: str  # "Api" of ApiCalls and SyncApiCalls
    calls: Sequence[Call]


def module_text(backends: Mapping[str, Backend], strategies: Iterable[str]) -> str:
    """Return the module's text: the same for the same documents, backends and strategies."""
    names = Names((*OWN, *chain(*IMPORTS.values()), *dir(builtins)))
    attributes = Names({"outbox", "run", "wait"}, separator="_")
    described, statements = [], []
    for name, backend in backends.items():
        stem = names.stem(class_name(name), *(f"{kind.prefix}{{}}Calls" for kind in _KINDS))
        attribute = attributes.unique(attribute_name(name), f"{attribute_name(name)}_")
        calls, needed = calls_of(name, backend.contract, names)
        statements += needed
        described.append(_Backend(name=name, attribute=attribute, calls_class=stem, calls=calls))
    body = "\n\n".join([_constants(backends, strategies), OPTIONS, *statements, *_classes(described)])
    imports = "".join(f"from {module} import {', '.join(names)}\n" for module, names in IMPORTS.items())
    return f"{MARK}{HEAD}{imports}\n{body}"


def changed(backends: Mapping[str, Backend], module: str) -> Path | str | None:
    """Return the first document that a module's text wasn't made of; None: there is none."""
    for name, backend in backends.items():
        if _document(name, backend) not in module:
            return backend.config.spec or backend.config.base_url
    return None


def _document(name: str, backend: Backend) -> str:
    return f"    {name!a}: {backend.contract.document.digest!a},\n"


def _constants(backends: Mapping[str, Backend], strategies: Iterable[str]) -> str:
    listed = ", ".join(map(ascii, sorted(strategies)))
    lines = "".join(_document(name, backend) for name, backend in backends.items())
    return f"DOCUMENTS = {{\n{lines}}}\n\nStrategy: TypeAlias = Literal[{listed}]\n"


def _classes(backends: Sequence[_Backend]) -> Iterable[str]:
    for kind in _KINDS:
        yield from (_calls_class(kind, backend) for backend in backends)
        yield _outbox_class(kind, backends)


def _calls_class(kind: _Kind, backend: _Backend) -> str:
    methods = "\n".join(_method(kind, call) for call in backend.calls) or "    pass\n"
    return f"class {kind.prefix}{backend.calls_class}Calls({kind.prefix}Calls):\n{methods}"


def _method(kind: _Kind, call: Call) -> str:
    return (
        f"    {kind.define} {call.name}(self, {_payload(call)}, **options: Unpack[{kind.prefix}Options]) "
        f"-> JobOf[{call.result}]:\n        {f'Enqueue {call.operation.long_name}.'!a}\n"
        f"        return {kind.wait}self._run({call.operation.name!a}, payload, options)\n"
    )


def _payload(call: Call) -> str:
    return f"payload: {call.payload} | None = None" if call.may_be_empty else f"payload: {call.payload}"


def _outbox_class(kind: _Kind, backends: Sequence[_Backend]) -> str:
    made = "".join(
        f"        self.{backend.attribute}: {kind.prefix}{backend.calls_class}Calls = "
        f"{kind.prefix}{backend.calls_class}Calls(outbox, {backend.name!a})\n"
        for backend in backends
    )
    return (
        f"class Typed{kind.prefix}Outbox(TypedCalls[{kind.prefix}Outbox]):\n"
        f"    def __init__(self, outbox: {kind.prefix}Outbox) -> None:\n"
        f"        super().__init__(outbox)\n"
        f"        check_documents({kind.documented}, __file__, DOCUMENTS)\n"
        f"{made}\n{_run(kind, backends)}\n"
        f"    {kind.define} wait(self, job: JobOf[Result], *, timeout: float | None = None) "
        f"-> JobOf[Result]:\n"
        f"        'Return a job once it has ended.'\n"
        f"        return cast('JobOf[Result]', {kind.wait}self.outbox.wait(job.id, timeout=timeout))\n"
    )


def _run(kind: _Kind, backends: Sequence[_Backend]) -> str:
    """Return ``run`` with its overloads: one for each type of payload; there is none without a second."""
    grouped: dict[tuple[str, str, str], list[str]] = {}
    for backend in backends:
        for call in backend.calls:
            spellings = grouped.setdefault((backend.name, _payload(call), call.result), [])
            spellings += map(ascii, filter(is_plain_text, call.operation.spellings))
    signatures = [
        f"self, backend: Literal[{name!a}], path: Literal[{', '.join(paths)}], {payload}, "
        f"**options: Unpack[{kind.prefix}Options]) -> JobOf[{result}]:"
        for (name, payload, result), paths in grouped.items()
    ]
    body = (
        f"        return cast('JobOf[Any]', {kind.wait}self.outbox.run(backend, path, payload, **options))\n"
    )
    doc = "        'Enqueue one call of a backend.'\n"
    if len(signatures) == 1:
        body = body.replace("**options", "**dict[str, Any](options)")
        return f"    {kind.define} run({signatures[0]}\n{doc}{body}"
    overloads = "".join(f"    @overload\n    {kind.define} run({signature} ...\n" for signature in signatures)
    general = "self, backend: str, path: str, payload: Any = None, **options: Any"
    return f"{overloads}    {kind.define} run({general}) -> JobOf[Any]:\n{doc}{body}"
