"""Refuse to be imported: it is in a distribution of its own since 0.5."""

_TEXT = "sp00ky_core.stores.caller_connections is gone since 0.5: import sp00ky_store_kit.caller_connections"
raise ImportError(f"{_TEXT}; pip install sp00ky-store-kit, which every store brings")
