"""The outbox for Python services: a job is a row, a runner delivers it over HTTP, nothing is lost."""
