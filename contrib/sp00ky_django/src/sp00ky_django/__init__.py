"""Sp00ky outbox in Django: settings, commands, migrations, the admin, and ``outbox.run`` in ``atomic()``.

``from sp00ky_django import outbox``.
"""

from sp00ky_django.lazy_outbox import DjangoOutbox, outbox

__all__ = ["DjangoOutbox", "outbox"]
