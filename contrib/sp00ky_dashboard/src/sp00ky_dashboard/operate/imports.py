"""Import the jobs of a file: it is looked at first, and imported once that is confirmed."""

from __future__ import annotations

from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from sp00ky_core import BulkResult
from sp00ky_core.errors import ImportRefused, Sp00kyError
from sp00ky_core.outbox.operators.bulk import last_of
from sp00ky_dashboard.access.forms import file_of, form_of
from sp00ky_dashboard.context import Context, act_options, writing
from sp00ky_dashboard.error_pages import BAD_REQUEST
from sp00ky_dashboard.operate.progress import followed
from sp00ky_dashboard.operate.uploads import delete
from sp00ky_dashboard.render import page


async def upload(request: Request) -> Response:
    """Answer ``/import``: ask for ``file``; keep it, and go on to what is in it."""
    context = writing(request)
    if request.method != "POST":
        return page(request, "upload.html", problem=None)
    async with file_of(request) as file:
        upload_id = await context.uploads.keep(file)
    return RedirectResponse(f"{request.scope.get('root_path', '')}/import/{upload_id}", 303)


async def confirm(request: Request) -> Response:
    """Answer ``/import/ID``: say what would become of the jobs; import them when that is confirmed."""
    context, upload_id = writing(request), request.path_params["upload_id"]
    root = request.scope.get("root_path", "")
    if request.method != "POST":
        return await _look(request, context, _known(context.uploads.get(upload_id)))
    form = await form_of(request)
    path = _known(context.uploads.take(upload_id))
    steps = context.outbox.import_steps(path, **act_options(context, form))
    operation = context.bulk.start("imported", steps)
    try:
        answer = await followed(request, operation, back=f"{root}/jobs")
    except Sp00kyError:  # nothing was imported: it can be confirmed once more
        context.uploads.put_back(upload_id, path)
        raise
    operation.task.add_done_callback(lambda _: delete(path))
    return answer


async def _look(request: Request, context: Context, path: Path) -> Response:
    async def look() -> BulkResult:
        return await last_of(context.outbox.import_steps(path, dry_run=True))

    try:
        result = await context.read(("import", path), look)
    except ImportRefused as error:
        problem = f"{path.name} can't be imported: {error.problem}"
        return page(request, "upload.html", status=BAD_REQUEST, problem=problem)
    return page(request, "import.html", result=result, name=path.name)


def _known(path: Path | None) -> Path:
    if path is None:
        raise HTTPException(404, "This file is kept no more, or by another process: choose it again.")
    return path
