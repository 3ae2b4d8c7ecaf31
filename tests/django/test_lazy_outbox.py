"""``outbox.run`` in ``transaction.atomic()``: the job is there if, and only if, the rest is."""

import asyncio
import os
from contextlib import suppress
from typing import Any
from unittest import mock

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group
from django.db import DatabaseError, connection, connections, transaction
from django.test import TestCase, TransactionTestCase, override_settings
from tests.django.configuration import PROJECT

from sp00ky_core import JobFilter, JobNotFound, OptionInvalid, PayloadInvalid, Sp00kyError
from sp00ky_core.errors import CallUnsupported, ConfigError
from sp00ky_core.sync import SyncOutbox
from sp00ky_django import DjangoOutbox, outbox
from sp00ky_django.testing import delete_jobs

SPOOKIFY: tuple[Any, ...] = ("api", "/spookify", {"id": "thread:1"})


def end_connection() -> None:
    """As a failover does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    other = connections.create_connection("default")
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
    other.close()


def enqueued() -> Any:
    with transaction.atomic():
        return outbox.run(*SPOOKIFY, assigned_to="thread:1")


@pytest.mark.usefixtures("migrated")
class TestInATest(TestCase):
    """In ``TestCase``, whose own transaction is rolled back."""

    def test_a_job_is_found_by_whoever_shares_the_connection(self) -> None:
        job = enqueued()
        assert outbox.get(job.id).payload == {"id": "thread:1"}
        assert [stored.id for stored in outbox.find(assigned_to="thread:1")] == [job.id]

    def test_all_jobs_of_before_are_gone(self) -> None:
        assert outbox.find() == []

    def test_that_atomic_is_forgotten_is_found_out(self) -> None:
        with pytest.raises(
            OptionInvalid, match=r"outside a transaction; expected a call inside transaction.atomic"
        ):
            outbox.run(*SPOOKIFY)
        assert outbox.find() == []

    def test_the_contract_is_checked_first(self) -> None:
        with transaction.atomic(), pytest.raises(PayloadInvalid):
            outbox.run("api", "/spookify", {})

    def test_autocommit_is_of_the_connection_that_the_test_rolls_back(self) -> None:
        job = outbox.run(*SPOOKIFY, autocommit=True)
        assert outbox.get(job.id).status == "pending"
        with pytest.raises(JobNotFound):
            outbox.wait(job.id, timeout=60)  # others don't see it

    def test_it_is_a_synchronous_outbox(self) -> None:
        assert isinstance(outbox, SyncOutbox)
        assert list(outbox.backends) == ["api", "mail", "charges"]
        assert outbox.config.file == PROJECT / "sp00ky.yml"
        assert "INSERT INTO" in outbox.statement(*SPOOKIFY, paramstyle="format").text


@pytest.mark.usefixtures("migrated")
class TestCommitted(TransactionTestCase):
    """Outside of any transaction of a test's."""

    def tearDown(self) -> None:
        delete_jobs()

    def test_a_commit(self) -> None:
        with transaction.atomic():
            Group.objects.create(name="ghosts")
            job = outbox.run(*SPOOKIFY)
        assert [stored.id for stored in outbox.find()] == [job.id]

    def test_it_is_exported_on_one_connection(self) -> None:
        ids = {outbox.run(*SPOOKIFY, autocommit=True).id for _ in range(2)}
        assert {record["id"] for record in outbox.export()} == ids
        assert len(list(outbox.export(JobFilter(path="/spookify"), limit=1))) == 1

    def test_an_asynchronous_view_calls_it_in_a_thread(self) -> None:
        async def view() -> Any:
            return await sync_to_async(enqueued)()

        job = asyncio.run(view())
        assert outbox.get(job.id) == job

    def test_a_connection_that_the_server_has_ended_commits_nothing(self) -> None:
        with suppress(DatabaseError), transaction.atomic():
            end_connection()
            with pytest.raises((Sp00kyError, DatabaseError)):
                outbox.run(*SPOOKIFY)
            with pytest.raises((Sp00kyError, DatabaseError)):
                outbox.run(*SPOOKIFY)  # not on a connection that Django has made anew
        connection.close()
        assert outbox.find() == []


@pytest.mark.usefixtures("migrated")
class TestInAnotherDatabase(TestCase):
    """The alias of ``SP00KY["DATABASE"]``: SQLite in memory, as Django's tests have it by default."""

    databases = ("default", "lite")

    @classmethod
    def setUpClass(cls) -> None:
        cls.enterClassContext(override_settings(SP00KY={"DATABASE": "lite"}))
        from django.core.management import call_command  # noqa: PLC0415

        call_command("migrate", "sp00ky_django", database="lite", verbosity=0)
        super().setUpClass()

    def test_the_transaction_is_that_database_s(self) -> None:
        with transaction.atomic(), pytest.raises(OptionInvalid, match=r"transaction.atomic\(using='lite'\)"):
            outbox.run(*SPOOKIFY)
        with transaction.atomic(using="lite"):
            job = outbox.run(*SPOOKIFY)
        assert outbox.get(job.id).status == "pending"

    def test_what_can_t_be_done_in_memory_is_said(self) -> None:
        with pytest.raises(
            ConfigError, match="'lite' is in memory, where only run, run_many, get and find work"
        ):
            outbox.kill("job:1")
        with pytest.raises(ConfigError, match="'lite' is in memory"):
            next(outbox.export())


def test_it_is_opened_late_and_once_in_each_process() -> None:
    mine = DjangoOutbox()
    with override_settings(SP00KY={"CONFIG": "none.yml"}), pytest.raises(ConfigError):
        _ = mine.config
    first = mine.asynchronous
    assert mine.asynchronous is first
    with mock.patch.object(os, "getpid", return_value=1):
        assert mine.asynchronous is not first
    with mine as entered:
        first = entered.asynchronous
    assert mine.asynchronous is not first
    with pytest.raises(CallUnsupported, match=r"no open\(\): import `outbox` from sp00ky_django"):
        DjangoOutbox.open("sp00ky.yml")
