"""``sp00ky jobs``: look at jobs, and look after them."""

from sp00ky_core.cli.jobs import looking, operating
from sp00ky_core.cli.jobs.group import jobs

__all__ = ["jobs", "looking", "operating"]
