from __future__ import annotations

from django.db import connection
from django.http import HttpResponse
from django.test import TestCase

from sp00ky_core.testing import assert_enqueued, perform_jobs, refute_enqueued
from sp00ky_django import outbox
from threads.models import Thread


class TestThreads(TestCase):
    """On the real database, in a transaction that is rolled back: no runner delivers anything."""

    def post(self, title: object, path: str = "/threads") -> HttpResponse:
        return self.client.post(path, {"title": title}, content_type="application/json")

    def test_a_thread_is_to_be_spookified(self) -> None:
        response = self.post("Boo")
        assert response.status_code == 202
        thread = Thread.objects.get()
        (job,) = assert_enqueued(outbox, "api", "/spookify", {"id": f"thread:{thread.id}", "title": "Boo"})
        assert response.json() == {"thread_id": thread.id, "job_id": job.id}

    def test_a_title_that_the_backend_refuses_leaves_nothing(self) -> None:
        response = self.post("x" * 101)
        assert response.status_code == 422
        assert "/title" in str(response.json())
        assert not Thread.objects.exists()
        refute_enqueued(outbox)

    def test_an_answer_of_the_backend(self) -> None:
        self.post("Boo")
        (job,) = perform_jobs(outbox, {"/spookify": (503, {"spooky": True})}, connection=connection)
        assert (job.status, job.retries, job.result) == ("success", 1, {"spooky": True})

    def test_the_asynchronous_view(self) -> None:
        assert self.post("Boo", "/async/threads").status_code == 202
        assert_enqueued(outbox, "api", "/spookify", {"title": "Boo"})

    def test_what_is_no_title(self) -> None:
        for title in (None, 1, "a\0b"):
            with self.subTest(title=title):
                assert self.post(title).status_code == 400
