"""A PostgreSQL primary with a standby, which is promoted while jobs run."""

import asyncio
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.ports import free_port
from tests.postgres import start_server

from chaos.backend import ChaoticBackend
from chaos.disk import Disk
from chaos.faults import GRACE
from chaos.history import EVERYBODY, Disturbance
from chaos.postgres import Postgres
from chaos.session import Ending
from chaos.stage import Stage, beside, staged, until_ended

__all__ = ["Replicated", "replicated", "run_promotion"]

NO_SMALL_DISK = "its disk isn't a small one"


class Replicated(Postgres):
    """A primary, and a standby of it; clients name both and take the one that can be written."""

    def __init__(self, own: object, standby: Path) -> None:
        super().__init__(own.get_uri(), Disk(Path(), NO_SMALL_DISK), own)  # type: ignore[attr-defined]
        self._standby = standby
        self._ports = [free_port(), free_port()]

    def url(self, port: int) -> str:
        hosts = ",".join(f"127.0.0.1:{port}" for port in self._ports)
        return f"postgresql://postgres@{hosts}/postgres?target_session_attrs=read-write"

    async def replicate(self, *, synchronous: bool) -> None:
        """Start the standby, and let commits wait for it where that is meant."""
        await self.stop()
        self._serve(self._own.pgdata, self._ports[0])
        self._standby.mkdir(mode=0o700)
        if self._own.system_user:
            shutil.chown(self._standby, self._own.system_user)
        copy = ["-R", "-D", str(self._standby), "-h", "127.0.0.1", "-p", str(self._ports[0])]
        self._program("pg_basebackup", *copy, "-U", "postgres", "-c", "fast")
        self._serve(self._standby, self._ports[1])
        self.dsn = f"postgresql://postgres@127.0.0.1:{self._ports[0]}/postgres"
        while not await self.fetch("SELECT FROM pg_stat_replication WHERE state = 'streaming'"):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        if synchronous:
            await self.wait_for_standbys("*")

    async def wait_for_standbys(self, names: str) -> None:
        """From now on, let commits wait for these."""
        await self.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
        await self.execute("SELECT pg_reload_conf()")

    async def promote(self) -> None:
        """Crash the primary for good, and let the standby take its place."""
        await self.stop()
        self._program("pg_ctl", "-w", "-D", str(self._standby), "promote")
        self.dsn = f"postgresql://postgres@127.0.0.1:{self._ports[1]}/postgres"
        await self.wait_for_standbys("")

    def program(self, name: str) -> str:
        """Return where one of PostgreSQL's programs is."""
        return str(self._own.bin_path / name)

    def stop_standby(self) -> None:
        """End it as a crash would."""
        self._program("pg_ctl", "-w", "-D", str(self._standby), "-m", "immediate", "stop", check=False)

    def _serve(self, data: Path, port: int) -> None:
        options = f"-h 127.0.0.1 -p {port} -k '' -c max_connections=200 -c wal_level=logical"
        self._program("pg_ctl", "-w", "-D", str(data), "-o", options, "-l", "/dev/null", "start")

    def _program(self, name: str, *words: str, check: bool = True) -> None:
        user = {"user": self._own.system_user} if self._own.system_user else {}
        command = [self.program(name), *words]
        subprocess.run(command, check=check, cwd="/", stdout=subprocess.DEVNULL, **user)


@asynccontextmanager
async def replicated(*, synchronous: bool) -> AsyncIterator[Replicated]:
    """A primary of the test's own, and its standby."""
    with tempfile.TemporaryDirectory(prefix="sp00ky-standby", ignore_cleanup_errors=True) as folder:
        own = start_server(Path(folder))
        database = Replicated(own, own.pgdata.parent / "standby")
        try:
            await database.replicate(synchronous=synchronous)
            yield database
        finally:
            await database.stop()
            database.stop_standby()


async def run_promotion(seconds: float, database: Replicated, folder: Path, *, runners: int = 3) -> Ending:
    """Enqueue for a while, in the middle of which the primary is gone and the standby is promoted."""
    backend = ChaoticBackend(0)
    async with staged(database, folder, backend, runners=runners, grace=GRACE) as stage:
        async with beside(stage.enqueuer.run()):
            await asyncio.sleep(seconds / 2)
            promotion = await _promoted(database)
            await asyncio.sleep(seconds / 2)
        await stage.enqueuer.finish()
        backend.calm = True
        await until_ended(database)
        return await _ending(stage, promotion)


async def _promoted(database: Replicated) -> Disturbance:
    since = time.time()
    await database.promote()
    return Disturbance(kind="promotion", runner=EVERYBODY, since=since, until=time.time())


async def _ending(stage: Stage, promotion: Disturbance) -> Ending:
    exits = await stage.fleet.stop_all()
    history = await stage.history([promotion])
    return Ending(history=history, exits=exits, outcries=stage.fleet.outcries())
