"""The shop by Django, in one file: a job in the transaction of its view."""

from __future__ import annotations

import sys
from pathlib import Path

import django
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, JsonResponse
from django.urls import path

HERE = Path(__file__).parent
DATABASE = {"ENGINE": "django.db.backends.sqlite3", "NAME": HERE / "shop.db"}
settings.configure(
    SECRET_KEY="not of production",  # noqa: S106  # an example's
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["*"],
    DATABASES={"default": DATABASE},
    INSTALLED_APPS=["sp00ky_django"],
    SP00KY={"CONFIG": HERE / "sp00ky.yml"},
)
django.setup()

from shop import send_receipt  # noqa: E402

from sp00ky_django import outbox  # noqa: E402


def order(request: HttpRequest, order: int) -> JsonResponse:
    with transaction.atomic():
        job = send_receipt.enqueue(outbox, order=order, email=request.GET["email"])
        if "fail" in request.GET:
            transaction.set_rollback(True)
    return JsonResponse({"job": job.id})


urlpatterns = [path("orders/<int:order>", order)]

if __name__ == "__main__":
    from django.core.management import execute_from_command_line

    execute_from_command_line([sys.argv[0], *(sys.argv[1:] or ["runserver", "--noreload"])])
