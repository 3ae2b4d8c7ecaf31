"""Generate a typed module from OpenAPI documents: ``sp00ky generate``."""
