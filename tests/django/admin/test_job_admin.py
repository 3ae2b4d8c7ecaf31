"""The admin over HTTP as operators use it: lists, one job, retry and kill, and who may do what."""

from collections.abc import Iterable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection, transaction
from django.test import Client, TestCase, TransactionTestCase
from django.test.utils import CaptureQueriesContext

from sp00ky_core import OperatorFate, OperatorResult
from sp00ky_django import outbox
from sp00ky_django.admin import job_admin
from sp00ky_django.admin.job_admin import outcome
from sp00ky_django.testing import delete_jobs

LIST = "/admin/sp00ky_django/job/"
DIED = """[{"at": "2030-01-01T00:00:00Z", "code": 503, "name": "http_status", "reason": "<b>down</b>"}]"""


def client_of(*permissions: str) -> Client:
    user = User.objects.create_user("ada", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def enqueue(**options: Any) -> Any:
    with transaction.atomic():
        return outbox.run("api", "/spookify", {"id": "<thread>"}, **options)


def key_of(job: Any) -> str:
    return str(job.id.partition(":")[2])


def said(response: Any) -> list[str]:
    return [str(message) for message in response.context["messages"]]


@pytest.mark.usefixtures("migrated")
class TestReading(TestCase):
    def setUp(self) -> None:
        self.client = client_of("view_job")
        self.job = enqueue(assigned_to="thread:1")
        with connection.cursor() as cursor:
            cursor.execute("UPDATE job SET status = 'failed', errors = %s, retries = 2", [DIED])

    def listed(self, query: str = "") -> list[Any]:
        response = self.client.get(f"{LIST}{query}")
        assert response.status_code == 200
        return list(response.context["cl"].result_list)

    def test_a_list_costs_the_same_however_many_there_are(self) -> None:
        with CaptureQueriesContext(connection) as few:
            assert len(self.listed()) == 1
        for _ in range(30):
            enqueue()
        with CaptureQueriesContext(connection) as many:
            assert len(self.listed()) == 31
        assert len(few) == len(many)
        (listing,) = [
            query["sql"] for query in many if '"payload"' in query["sql"] or '"created_at"' in query["sql"]
        ]
        assert '"payload"' not in listing

    def test_a_list_shows_what_matters(self) -> None:
        page = self.client.get(LIST).content.decode()
        for text in ("api", "/spookify", "failed", "2 of 3 retries", "thread:1", "http_status"):
            assert text in page, text

    def test_an_entry_that_a_client_wrote_stops_no_list_and_no_page(self) -> None:
        for errors in (r'[{"name": "\ud83d"}]', r'[{"reason": "\u0000"}, {"name": "tls"}]', '"tls"', "{}"):
            with connection.cursor() as cursor:
                cursor.execute("UPDATE job SET errors = %s, payload = %s", [errors, r'{"a": "\uDE00"}'])
            assert [row.last_error_name for row in self.listed()] == [None]
            page = self.client.get(f"{LIST}{key_of(self.job)}/change/")
            assert page.status_code == 200

    def test_filters_and_search(self) -> None:
        enqueue()
        assert len(self.listed("?status__exact=failed")) == 1
        assert len(self.listed("?backend=mail")) == 0
        assert len(self.listed("?path=/spookify")) == 2
        assert [row.job_id for row in self.listed(f"?q={self.job.id[:20]}")]
        assert [row.job_id for row in self.listed("?q=thread:1")] == [self.job.id]
        assert len(self.listed("?q=thread:1%00")) == 0 or len(self.listed("?q=%00")) == 2

    def test_nothing_can_be_written(self) -> None:
        place = f"{LIST}{key_of(self.job)}"
        for path in (f"{place}/change/", f"{place}/delete/", f"{LIST}add/"):
            assert self.client.post(path, {"path": "/x", "post": "yes"}).status_code == 403
        assert outbox.get(self.job.id).path == "/spookify"

    def test_who_may_only_see_has_no_actions(self) -> None:
        page = self.client.get(LIST).content.decode()
        assert "Retry the selected" not in page
        assert "Kill the selected" not in page
        self.client.post(LIST, {"action": "retry", "_selected_action": [key_of(self.job)]})
        assert outbox.get(self.job.id).status == "failed"


@pytest.mark.usefixtures("migrated")
class TestActing(TransactionTestCase):
    """What an outbox does is committed on connections of its own."""

    def setUp(self) -> None:
        self.addCleanup(delete_jobs)
        self.client = client_of("change_job")

    def act(self, action: str, jobs: Iterable[Any]) -> list[str]:
        form = {"action": action, "_selected_action": [key_of(job) for job in jobs]}
        return said(self.client.post(LIST, form, follow=True))

    def test_kill_and_retry(self) -> None:
        jobs = [enqueue(), enqueue()]
        assert self.act("kill", jobs) == ["2 jobs killed."]
        assert [job.status for job in outbox.find()] == ["failed", "failed"]
        assert self.act("retry", jobs[:1]) == ["1 job retried."]
        assert outbox.get(jobs[0].id).status == "pending"
        (refused,) = self.act("retry", jobs)
        assert refused.startswith("1 job retried. Refused: 1 illegal.")

    def test_the_audit_has_the_user_s_name(self) -> None:
        self.act("kill", [enqueue()])
        (entry,) = outbox.do(lambda opened: opened.audit(limit=1))
        assert (entry.actor, entry.via, entry.action, entry.count) == ("ada", "django", "kill", 1)

    def test_too_many_at_once_are_refused(self) -> None:
        jobs = [enqueue(), enqueue()]
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(job_admin, "MOST_AT_ONCE", 1)
            (refused,) = self.act("kill", jobs)
        assert refused.startswith("Nothing was done: select at most 1 jobs")
        assert {job.status for job in outbox.find()} == {"pending"}

    def test_a_store_that_can_t_be_reached_is_said(self) -> None:
        job = enqueue()
        with pytest.MonkeyPatch.context() as patched:
            patched.setitem(connection.settings_dict, "PASSWORD", "secret")
            patched.setitem(connection.settings_dict, "HOST", "/nowhere")
            (refused,) = self.act("kill", [job])
        assert "/nowhere" in refused
        assert "secret" not in refused
        assert outbox.get(job.id).status == "pending"


def test_an_outcome_says_what_was_refused_and_why() -> None:
    results = [
        OperatorResult(job_id="job:1", fate=OperatorFate.KILLED),
        OperatorResult(job_id="job:2", fate=OperatorFate.NOT_FOUND),
        OperatorResult(job_id="job:3", fate=OperatorFate.ILLEGAL, problem="it has ended"),
    ]
    assert outcome(results, "killed") == (
        "1 job killed. Refused: 1 not found, 1 illegal. it has ended.",
        False,
    )
    assert outcome(results[:1], "killed") == ("1 job killed.", True)
