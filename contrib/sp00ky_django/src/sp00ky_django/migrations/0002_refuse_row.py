"""Refuse rows that aren't a new job's: version 9 of the store in PostgreSQL, 4 of the one in SQLite."""

from django.db import migrations

from sp00ky_django.operations import MigrateStore


class Migration(migrations.Migration):
    """Extend the tables; each statement is a transaction of its own, as indexes on full tables need it."""

    atomic = False
    dependencies = [("sp00ky_django", "0001_initial")]
    operations = [MigrateStore(postgres=9, transactional=4)]
