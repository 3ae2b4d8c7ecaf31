# Written by `sp00ky generate`, which writes it anew: change nothing here.
# ruff: noqa
# fmt: off
# pyright: reportUnusedImport=false
from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Literal, NotRequired, TypeAlias, TypedDict, Unpack, cast, overload
from uuid import UUID
from sp00ky_core import CallerConnection, CommonJobOptions, Outbox
from sp00ky_core.generate import Calls, ExplicitBody, ExplicitCookie, ExplicitHeader, ExplicitPath, ExplicitQuery, FormFile, JobOf, NoPayload, Result, SyncCalls, TypedCalls, check_documents
from sp00ky_core.sync import SyncOutbox

DOCUMENTS = {
    'api': '3baaf52dcb2f',
}

Strategy: TypeAlias = Literal['exponential', 'linear']


class Options(CommonJobOptions, total=False):
    retry_strategy: Strategy | None
    connection: CallerConnection


class SyncOptions(Options, total=False):
    autocommit: bool


class SpookifyPayload(TypedDict):
    id: str


class ApiCalls(Calls):
    async def spookify(self, payload: SpookifyPayload | ExplicitBody, **options: Unpack[Options]) -> JobOf[Any]:
        'Enqueue POST /spookify.'
        return await self._run('/spookify', payload, options)


class TypedOutbox(TypedCalls[Outbox]):
    def __init__(self, outbox: Outbox) -> None:
        super().__init__(outbox)
        check_documents(outbox, __file__, DOCUMENTS)
        self.api: ApiCalls = ApiCalls(outbox, 'api')

    async def run(self, backend: Literal['api'], path: Literal['/spookify', 'POST /spookify'], payload: SpookifyPayload | ExplicitBody, **options: Unpack[Options]) -> JobOf[Any]:
        'Enqueue one call of a backend.'
        return cast('JobOf[Any]', await self.outbox.run(backend, path, payload, **dict[str, Any](options)))

    async def wait(self, job: JobOf[Result], *, timeout: float | None = None) -> JobOf[Result]:
        'Return a job once it has ended.'
        return cast('JobOf[Result]', await self.outbox.wait(job.id, timeout=timeout))


class SyncApiCalls(SyncCalls):
    def spookify(self, payload: SpookifyPayload | ExplicitBody, **options: Unpack[SyncOptions]) -> JobOf[Any]:
        'Enqueue POST /spookify.'
        return self._run('/spookify', payload, options)


class TypedSyncOutbox(TypedCalls[SyncOutbox]):
    def __init__(self, outbox: SyncOutbox) -> None:
        super().__init__(outbox)
        check_documents(outbox.asynchronous, __file__, DOCUMENTS)
        self.api: SyncApiCalls = SyncApiCalls(outbox, 'api')

    def run(self, backend: Literal['api'], path: Literal['/spookify', 'POST /spookify'], payload: SpookifyPayload | ExplicitBody, **options: Unpack[SyncOptions]) -> JobOf[Any]:
        'Enqueue one call of a backend.'
        return cast('JobOf[Any]', self.outbox.run(backend, path, payload, **dict[str, Any](options)))

    def wait(self, job: JobOf[Result], *, timeout: float | None = None) -> JobOf[Result]:
        'Return a job once it has ended.'
        return cast('JobOf[Result]', self.outbox.wait(job.id, timeout=timeout))
