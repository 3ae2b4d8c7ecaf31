"""Raise every error of the project, under one base; each module's ``__all__`` is public here.

An error carries its facts as fields, says what to do in its text, and never holds a secret. Adapters
translate what their libraries raise into these at their edge, with the cause chained.
"""

from sp00ky_core.errors import base, configuration, jobs, runners, schedules, store
from sp00ky_core.errors.base import *
from sp00ky_core.errors.configuration import *
from sp00ky_core.errors.jobs import *
from sp00ky_core.errors.runners import *
from sp00ky_core.errors.schedules import *
from sp00ky_core.errors.store import *

__all__: list[str] = []
__all__ += base.__all__
__all__ += configuration.__all__
__all__ += jobs.__all__
__all__ += runners.__all__
__all__ += schedules.__all__
__all__ += store.__all__
