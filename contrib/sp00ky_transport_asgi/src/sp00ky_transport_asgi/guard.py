"""Let nobody but a runner in this process call an operation of FastAPI's or Starlette's."""

from starlette.exceptions import HTTPException
from starlette.requests import Request

from sp00ky_transport_asgi import is_job

__all__ = ["require_job"]


async def require_job(request: Request) -> None:
    """Answer 404 to what is no job's call: a dependency, ``Depends(require_job)``."""
    if not is_job(request.scope):
        raise HTTPException(404)
