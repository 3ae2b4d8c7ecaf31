"""Stores that are broken on purpose, one fault each, and the tests of the suite that must notice it."""

from tests.store_sqlite.mutations.fleet import FLEET
from tests.store_sqlite.mutations.jobs import JOBS
from tests.store_sqlite.mutations.others import OTHERS
from tests.store_sqlite.mutations.steering import STEERING
from tests.store_sqlite.mutations.tools import Mutation
from tests.store_sqlite.mutations.unnoticed import UNNOTICED

__all__ = ["MUTATIONS", "Mutation"]

MUTATIONS = {**FLEET, **JOBS, **OTHERS, **STEERING, **UNNOTICED}
