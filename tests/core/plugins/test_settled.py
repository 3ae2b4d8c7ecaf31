"""What plugins hear of jobs that are killed."""

from pathlib import Path
from typing import Any

import attrs
from tests.core.two_backends import CONFIG, SPEC, enqueued

from sp00ky_core import JobFilter, OperatorFate, Outbox, hookimpl, load_plugins
from sp00ky_core.job.job import Job


@attrs.define
class Witness:
    """What a plugin is told of settled jobs."""

    seen: list[tuple[str, str, str]] = attrs.field(factory=list)

    @hookimpl
    def sp00ky_job_settled(self, job: Job, transition: Any) -> None:
        self.seen.append((job.id, transition.to.value, transition.error.reason))


def opened(folder: Path, witness: Witness) -> Outbox:
    (folder / "openapi.yml").write_text(SPEC)
    (folder / "sp00ky.yml").write_text(CONFIG)
    plugins = load_plugins()
    plugins.register(witness, name="witness", distribution="these-tests")
    return Outbox.open(folder / "sp00ky.yml", plugins=plugins)


async def test_kills_are_told_to_plugins_once_each(tmp_path: Path) -> None:
    witness = Witness()
    async with opened(tmp_path, witness) as outbox:
        one, two, three = await enqueued(outbox, 3)
        results = await outbox.kill(one, one, "job:none", reason="why")
        assert [result.fate for result in results][:2] == [OperatorFate.KILLED] * 2
        assert witness.seen == [(one, "failed", "why")]
        await outbox.kill(one)
        await outbox.redrive(one)
        assert len(witness.seen) == 1
        await outbox.kill(filter=JobFilter(since=(await outbox.get(one)).created_at), reason="all")
        assert sorted(witness.seen[1:]) == sorted((job_id, "failed", "all") for job_id in (one, two, three))
