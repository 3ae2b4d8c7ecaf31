"""Refuse to be imported: it is in a distribution of its own since 0.5."""

_TEXT = "sp00ky_core.stores.transactional is gone since 0.5: import sp00ky_store_kit"
raise ImportError(f"{_TEXT}; pip install sp00ky-store-kit, which every store brings")
