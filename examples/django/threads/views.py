"""A thread and the job that makes it spooky are written in one transaction."""

from __future__ import annotations

import json

from asgiref.sync import sync_to_async
from django.db import transaction
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from sp00ky_core import Job, JobNotFound, PayloadInvalid
from sp00ky_django import outbox
from threads.models import Thread


def save(title: str) -> tuple[Thread, Job]:
    with transaction.atomic():
        thread = Thread.objects.create(title=title)
        name = f"thread:{thread.id}"
        job = outbox.run("api", "/spookify", {"id": name, "title": title}, assigned_to=name)
    return thread, job


@csrf_exempt  # an API: no browser's session is behind it
@require_POST
def create_thread(request: HttpRequest) -> JsonResponse:
    try:
        thread, job = save(title_of(request))
    except ValueError as error:
        return JsonResponse({"detail": str(error)}, status=400)
    except PayloadInvalid as error:  # the backend's contract says no: nothing of the request was kept
        return JsonResponse({"detail": [str(violation) for violation in error.violations]}, status=422)
    return JsonResponse({"thread_id": thread.id, "job_id": job.id}, status=202)


create_thread_async = csrf_exempt(sync_to_async(create_thread))
"""The same under ASGI: Django's transactions are synchronous, so all of it is in one function in a thread."""


def job_now(_request: HttpRequest, job_id: str) -> JsonResponse:
    try:
        job = outbox.get(job_id)
    except JobNotFound as error:
        return JsonResponse({"detail": str(error)}, status=404)
    return JsonResponse({"id": job.id, "status": job.status, "retries": job.retries, "result": job.result})


def title_of(request: HttpRequest) -> str:
    """The title in the body. Raises ValueError."""
    body = json.loads(request.body)
    title = body.get("title") if isinstance(body, dict) else None
    if not isinstance(title, str) or "\0" in title or not title.isprintable():
        raise ValueError('expected {"title": TEXT}')
    return title
