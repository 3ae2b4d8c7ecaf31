"""Make the tables: version 8 of the store in PostgreSQL, 4 of the one in SQLite."""

from django.db import migrations

from sp00ky_django.operations import MigrateStore


class Migration(migrations.Migration):
    """Make the tables; each statement is a transaction of its own, as indexes on full tables need it."""

    initial = True
    atomic = False
    dependencies: list[tuple[str, str]] = []
    operations = [MigrateStore(postgres=8, transactional=4)]
