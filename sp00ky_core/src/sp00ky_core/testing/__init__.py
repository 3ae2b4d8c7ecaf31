"""Test an application without a backend: what was enqueued, and what comes of it.

The pytest fixtures ``outbox`` and ``sync_outbox`` are in ``sp00ky_pytest``, which pytest finds.

The conformance suites of adapters are in the distribution ``sp00ky-conformance``.
"""

from sp00ky_core.testing import enqueued, perform
from sp00ky_core.testing.enqueued import *
from sp00ky_core.testing.perform import *

__all__: list[str] = []
__all__ += enqueued.__all__
__all__ += perform.__all__
