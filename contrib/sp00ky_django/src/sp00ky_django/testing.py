"""Help tests whose transactions are committed: ``TransactionTestCase``, ``LiveServerTestCase``."""

from __future__ import annotations

__all__ = ["delete_jobs"]


def delete_jobs() -> None:
    """Delete every job, as ``flush`` after such tests deletes all other rows; call it in ``tearDown``.

    ``TestCase`` rolls jobs back, and needs none of this.
    """
    from sp00ky_django.models import job_models  # noqa: PLC0415  # models can't be imported before the settings

    for model in job_models():
        jobs = model.objects.all()
        jobs._raw_delete(jobs.db)
