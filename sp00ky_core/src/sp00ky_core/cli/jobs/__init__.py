"""Read and operate jobs: ``sp00ky jobs``."""

from sp00ky_core.cli.jobs import copy, errors, export, operate, read, reschedule
from sp00ky_core.cli.jobs.group import jobs

__all__ = ["jobs", "copy", "errors", "export", "operate", "read", "reschedule"]
