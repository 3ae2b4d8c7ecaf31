"""sp00ky.yml -> Config; every error names the file and the key.

A key is a field in ``model``, with its default, a reader of ``values`` and where it stands.
``keys`` reads the fields, ``loading`` says which entries are backends, and joins them.
"""

from typing import TYPE_CHECKING

from sp00ky_core.config import model, values
from sp00ky_core.config.environment import refuse_unread, refuse_unready, store_url, unready
from sp00ky_core.config.keys import key
from sp00ky_core.config.loading import find_config, load_config
from sp00ky_core.config.model import *  # its ``__all__`` is public here
from sp00ky_core.error_texts import former_names

__all__ = ["find_config", "key", "load_config", "refuse_unread", "refuse_unready", "store_url"]
__all__ += ["unready", "values"]
__all__ += model.__all__

if not TYPE_CHECKING:
    __getattr__ = former_names(__name__)
