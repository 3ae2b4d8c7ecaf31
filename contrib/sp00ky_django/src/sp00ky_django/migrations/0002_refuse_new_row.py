"""Refuse rows that aren't a new job's: version 9 of the store in PostgreSQL."""

from django.db import migrations

from sp00ky_django.operations import MigrateStore


class Migration(migrations.Migration):
    """Add the trigger; each statement is a transaction of its own, as indexes on full tables need it."""

    atomic = False
    dependencies = [("sp00ky_django", "0001_initial")]
    operations = [MigrateStore(postgres=9, transactional=4)]
