"""The outbox for Python services: a job is a row, a runner delivers it over HTTP, nothing is lost.

Applications need ``Outbox``; what else is here is what it takes, returns and raises, and what an adapter or
a plugin is written against. What isn't listed in ``__all__`` may change without notice; the suites that prove
an adapter are in the distribution ``sp00ky-conformance``.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sp00ky_core import _public
    from sp00ky_core import errors as _errors
    from sp00ky_core._public import *
    from sp00ky_core.errors import *
    from sp00ky_core.runner import Runner, RunnerOptions

    __version__: str
    __all__ = ["__version__", "Runner", "RunnerOptions"]
    __all__ += _public.__all__
    __all__ += _errors.__all__
else:

    def __getattr__(name: str) -> object:
        """Import all that is public once any of it is asked for; ``import sp00ky_core`` is quick."""
        if name == "__version__":
            return import_module("importlib.metadata").version("sp00ky-core")
        runner = ("Runner", "RunnerOptions")  # asked for by few, and slow to import
        if name in runner:
            return getattr(import_module("sp00ky_core.runner"), name)
        here, names = globals(), ["__version__", *runner]
        for room in map(import_module, ("sp00ky_core._public", "sp00ky_core.errors")):
            for public_name in room.__all__:
                here.setdefault(public_name, getattr(room, public_name))
            names += room.__all__
        here.setdefault("__all__", names)
        if name not in here:  # where it is a room of the core, it was imported with the others
            import_module("sp00ky_core.error_texts").former_names(__name__)(name)
        return here[name]

    def __dir__() -> list[str]:
        return sorted({*globals(), *__getattr__("__all__")})
