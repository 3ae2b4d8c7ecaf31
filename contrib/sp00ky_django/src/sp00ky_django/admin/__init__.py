"""Show the jobs in Django's admin, and let operators retry and kill them."""

from django.contrib import admin

from sp00ky_django.admin.job_admin import JobAdmin
from sp00ky_django.models import job_models

__all__ = ["JobAdmin"]

for model in job_models():
    admin.site.register(model, JobAdmin)
