"""Answer requests of an ASGI application: FastAPI, Starlette."""

from sp00ky_core.asgi.payload_error import payload_error_response

__all__ = ["payload_error_response"]
