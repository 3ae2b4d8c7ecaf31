"""Find the application that a ``baseUrl`` names, and its own contract."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs

from sp00ky_core import BackendConfig
from sp00ky_core.errors import Sp00kyError
from sp00ky_transport_asgi.plugin import AsgiOptions

Message = MutableMapping[str, Any]
AsgiApp = Callable[..., Awaitable[None]]


class TargetProblem(Sp00kyError):
    """There is no such application; the text says why, in one line.

    Attributes:
        place: The text without words of the application's, which could hold a secret.
    """

    def __init__(self, place: str, words: object = "") -> None:
        line = " ".join(str(words).split())[:300]
        super().__init__(f"{place}: {line}" if line else place)
        self.place: str = place


@attrs.frozen(kw_only=True)
class Target:
    """What ``asgi://MODULE:ATTRIBUTE[/prefix]`` names, or the same of another scheme.

    Attributes:
        scheme: Its scheme.
        module: To be imported.
        attribute: Of it, dotted.
        prefix: What paths are appended to, without a slash at its end.
        folder: Where modules are imported from, before the environment's.
    """

    scheme: str
    module: str
    attribute: str
    prefix: str = attrs.field(eq=False)
    folder: Path

    @classmethod
    def of(cls, backend: BackendConfig) -> Target:
        """Read a backend's, whose section has the ``folder``. Raises ``TargetProblem``."""
        scheme, _, rest = backend.base_url.partition("://")
        place, slash, prefix = rest.partition("/")
        module, colon, attribute = place.partition(":")
        if not (module and colon and attribute):
            raise TargetProblem(f"expected {scheme}://MODULE:ATTRIBUTE, such as {scheme}://shop.main:app")
        prefix, folder = f"{slash}{prefix}".rstrip("/"), getattr(backend.options, "folder", Path())
        return cls(scheme=scheme, module=module, attribute=attribute, prefix=prefix, folder=folder)

    def __str__(self) -> str:
        """Write it as it is in the configuration, without the prefix."""
        return f"{self.scheme}://{self.module}:{self.attribute}"

    def load(self) -> AsgiApp:
        """Import the application. Raises ``TargetProblem``."""
        found: AsgiApp = self.find()
        _refuse_other(self.attribute, found)
        return found

    def find(self) -> Any:
        """Import whatever it is. Raises ``TargetProblem``."""
        folder = str(self.folder.absolute())
        if folder not in sys.path:
            sys.path.insert(0, folder)
        try:
            found: Any = self._module()
        except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever the application's module raises
            missing = isinstance(error, ModuleNotFoundError) and error.name
            if missing and f"{self.module}.".startswith(f"{missing}."):
                raise TargetProblem(f"there is no module {missing!r} in {folder} or installed") from None
            raise TargetProblem(f"{self.module} can't be imported: {type(error).__name__}", error) from None
        if (own := self._files()) and (file := _file_of(found)) not in own:
            problem = f"{self.module} is {file} in this process, and {own[0]} can't be it too"
            raise TargetProblem(f"{problem}; give one of them another name")
        for name in self.attribute.split("."):
            if not hasattr(found, name):
                raise TargetProblem(f"{self.module} has no attribute {self.attribute!r}")
            found = getattr(found, name)
        return found

    def _module(self) -> Any:
        """Import the module; as the program that runs it is there, with the application that is served."""
        main: Any = sys.modules["__main__"]
        is_main = getattr(main.__spec__, "name", "") == self.module or _file_of(main) in self._files()
        return main if is_main and self.module not in sys.modules else importlib.import_module(self.module)

    def _files(self) -> list[Path]:
        """Return what the module is in its folder, if it is there."""
        own = self.folder.joinpath(*self.module.split("."))
        files = (own / "__init__.py", own.with_name(f"{own.name}.py"))
        return [file.resolve() for file in files if file.is_file()]


def _file_of(module: Any) -> Path:
    return Path(getattr(module, "__file__", None) or "Python itself").resolve()


def options_of(backend: BackendConfig) -> AsgiOptions:
    """Return a backend's section."""
    return backend.options if isinstance(backend.options, AsgiOptions) else AsgiOptions()


def _refuse_other(name: str, found: Any) -> None:
    """Refuse what can't be called as ``app(scope, receive, send)``: a factory, a WSGI application."""
    with suppress(ValueError):  # of one whose arguments Python can't tell
        signature = inspect.signature(found) if callable(found) else inspect.Signature()
        if not _takes(signature, 3):
            kind = "it doesn't take (scope, receive, send)"
            if _takes(signature, 2):
                kind = "it is a WSGI application; serve it over HTTP, or wrap it: a2wsgi.WSGIMiddleware"
            raise TargetProblem(f"{name} is no ASGI application: {kind}")


def _takes(signature: inspect.Signature, count: int) -> bool:
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True


def document_of(backend: BackendConfig) -> Mapping[str, Any]:
    """Return an application's own OpenAPI document of what is under the prefix. Raises ``TargetProblem``."""
    target = Target.of(backend)
    app: Any = target.load()
    make = getattr(app, "openapi", None)  # of FastAPI
    make = make or getattr(getattr(app, "openapi_schema", None), "to_schema", None)  # of Litestar
    if not callable(make):
        raise TargetProblem(f"{target} has no OpenAPI document of its own; write one, its `spec`")
    try:
        document: Mapping[str, Any] = make()
    except Exception as error:  # noqa: BLE001  # whatever the application raises
        raise TargetProblem(f"{target} can't describe itself: {type(error).__name__}", error) from None
    below, paths = f"{target.prefix}/", document.get("paths") or {}
    own = {path[len(below) - 1 :]: item for path, item in paths.items() if path.startswith(below)}
    return {**document, "paths": own}
