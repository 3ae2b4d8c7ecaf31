"""The store is found by its schemes, and its driver is imported no sooner than it is made."""

import subprocess
import sys

import pytest

from sp00ky_core.plugins.registry import load_plugins
from sp00ky_core.ports import StoreOptions
from sp00ky_store_postgres import PostgresStore

LOOKING = """
import sys
from sp00ky_core import load_plugins
load_plugins()
print('asyncpg' in sys.modules)
"""


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+asyncpg", "postgresql+psycopg"])
def test_it_is_found_by_its_schemes(scheme: str) -> None:
    make = load_plugins().store(scheme)
    assert isinstance(make(StoreOptions(url=f"{scheme}://localhost/app", tables=())), PostgresStore)


def test_looking_for_plugins_imports_no_driver() -> None:
    done = subprocess.run([sys.executable, "-c", LOOKING], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
