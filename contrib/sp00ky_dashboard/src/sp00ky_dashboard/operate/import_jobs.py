"""Import the jobs of a file: it is looked at first, and imported once that is confirmed."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from sp00ky_core.errors import ImportRefused, Sp00kyError
from sp00ky_dashboard.access.forms import form_of
from sp00ky_dashboard.context import Context, act_options, writing
from sp00ky_dashboard.operate.bulk_progress import followed
from sp00ky_dashboard.operate.uploads import delete, file_of
from sp00ky_dashboard.problem_pages import BAD_REQUEST
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
    form = await form_of(request) if request.method == "POST" else None
    path = context.uploads.files.get(upload_id)
    if path is None:
        raise HTTPException(404, "This file is kept no more, or by another process: choose it again.")
    if form is None:
        return await _look(request, context, path)
    del context.uploads.files[upload_id]  # a form that was sent twice imports it once
    steps = context.outbox.import_steps(path, **act_options(context, form))
    operation = context.bulk.start("imported", steps)
    try:
        answer = await followed(request, operation, back=f"{request.scope.get('root_path', '')}/jobs")
    except Sp00kyError:  # nothing was imported: it can be confirmed once more
        context.uploads.files[upload_id] = path
        raise
    operation.task.add_done_callback(lambda _: delete(path))
    return answer


async def _look(request: Request, context: Context, path: Path) -> Response:
    try:
        look = partial(context.outbox.import_jobs, path, dry_run=True)
        result = await context.read(("import", path), look)
    except ImportRefused as error:
        problem = f"{path.name} can't be imported: {error.problem}"
        return page(request, "upload.html", status=BAD_REQUEST, problem=problem)
    return page(request, "import.html", result=result, name=path.name)
