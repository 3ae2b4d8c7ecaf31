"""Add a column: version 11 of the store in PostgreSQL, 7 in SQLite."""

from django.db import migrations

from sp00ky_django.operations import MigrateStore


class Migration(migrations.Migration):
    """Add it."""

    atomic = False
    dependencies = [("sp00ky_django", "0003_claimed_max_retries")]
    operations = [MigrateStore(postgres=11, transactional=7)]
