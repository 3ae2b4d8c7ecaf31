import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DISTRIBUTIONS = (
    "sp00ky_core",
    "sp00ky_openapi",
    "sp00ky_store_kit",
    "sp00ky_conformance",
    "sp00ky_store_postgres",
    "sp00ky_store_surreal",
    "sp00ky_transport_http",
    "contrib/sp00ky_store_sqlite",
    "contrib/sp00ky_store_mysql",
    "contrib/sp00ky_opentelemetry",
    "contrib/sp00ky_receiver",
    "contrib/sp00ky_dashboard",
    "contrib/sp00ky_django",
    "contrib/sp00ky_transport_amqp",
    "contrib/sp00ky_transport_asgi",
    "contrib/sp00ky_tasks",
    "contrib/sp00ky_schedules",
    "contrib/sp00ky_webhooks",
    "contrib/sp00ky_workflows",
    "contrib/sp00ky_generate",
)


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A wheel of each distribution: those under test, else built now."""
    given = os.environ.get("SP00KY_WHEELS")
    folder = Path(given) if given else tmp_path_factory.mktemp("wheels")
    if not given:
        sources = [str(ROOT / distribution) for distribution in DISTRIBUTIONS]
        run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, *sources)
    return {wheel.name.partition("-")[0]: wheel for wheel in sorted(folder.glob("*.whl"))}


@pytest.fixture(scope="session")
def without_transport(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a fresh environment with the core and the SurrealDB store, and nothing else."""
    folder = tmp_path_factory.mktemp("without-transport")
    venv.create(folder, with_pip=False)  # this environment's pip does it
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    packages = [wheels[f"sp00ky_{name}"] for name in ("openapi", "core", "store_kit", "store_surreal")]
    run(sys.executable, "-m", "pip", "--python", folder, "install", "--quiet", *packages)
    return programs


def run(*command: object) -> str:
    """What a command that succeeds prints."""
    done = subprocess.run(
        [str(argument) for argument in command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
