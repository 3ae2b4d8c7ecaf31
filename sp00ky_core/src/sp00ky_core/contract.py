"""Refuse to be imported: it has been a distribution of its own since 0.5."""

raise ImportError("sp00ky_core.contract is gone since 0.5: import it from sp00ky_openapi, which is installed")
