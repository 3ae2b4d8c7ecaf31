"""Read and operate jobs: ``sp00ky jobs``."""

from sp00ky_core.cli.jobs import copy, export, operate, read
from sp00ky_core.cli.jobs.group import jobs

__all__ = ["jobs", "copy", "export", "operate", "read"]
