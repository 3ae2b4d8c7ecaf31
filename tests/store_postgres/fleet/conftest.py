"""What the tests of jobs have too."""

from tests.store_postgres.jobs.conftest import bench, referred, rule

__all__ = ["bench", "referred", "rule"]
