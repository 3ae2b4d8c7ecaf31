"""What tests whose transactions are committed need."""

import pytest
from django.test import TransactionTestCase

from sp00ky_django import outbox
from sp00ky_django.testing import delete_jobs


@pytest.mark.usefixtures("migrated")
class TestDeleting(TransactionTestCase):
    def test_jobs_of_all_tables_are_gone(self) -> None:
        outbox.run("api", "/spookify", {"id": "1"}, autocommit=True)
        outbox.run("charges", "/charge", {"id": "1"}, autocommit=True)
        delete_jobs()
        assert outbox.find() == []
