"""Declare the Django application."""

from __future__ import annotations

from django.apps import AppConfig
from django.core import checks


class Sp00kyDjangoConfig(AppConfig):
    """The outbox as a Django application: ``INSTALLED_APPS = [..., "sp00ky_django"]``."""

    name = "sp00ky_django"
    verbose_name = "Sp00ky outbox"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks."""
        from sp00ky_django.system_checks import check_settings, check_tables  # noqa: PLC0415  # models are ready

        checks.register(check_settings)
        checks.register(check_tables, checks.Tags.database)
