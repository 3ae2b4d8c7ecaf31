"""Add a column: version 10 of the store in PostgreSQL, 6 in SQLite."""

from django.db import migrations

from sp00ky_django.operations import MigrateStore


class Migration(migrations.Migration):
    """Add it."""

    atomic = False
    dependencies = [("sp00ky_django", "0002_refuse_new_row")]
    operations = [MigrateStore(postgres=10, transactional=6)]
