"""``sp00ky check``: would jobs run?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click

from sp00ky_core.cli.context import Settings, command, run_async
from sp00ky_core.cli.output import as_json, one_line, show_json
from sp00ky_core.errors import AdapterMissing
from sp00ky_core.outbox import Outbox
from sp00ky_core.ports import Finding

__all__ = ["check"]


@command()
@as_json
@click.pass_context
def check(context: click.Context, /, settings: Settings, *, json_wanted: bool) -> None:
    """Look for what would stop jobs, or harm them; exit 1 if something would stop them.

    The configuration and the OpenAPI documents are read first: what is wrong with those is exit 2.
    """
    findings = run_async(_check(settings))
    if json_wanted:
        show_json({"findings": [_as_json(finding) for finding in findings]})
    else:
        for finding in findings:
            click.echo(_line(finding))
        if not findings:
            click.echo("ok: nothing to mend")
    context.exit(any(finding.stops_jobs for finding in findings))


async def _check(settings: Settings) -> Sequence[Finding]:
    outbox = settings.outbox()
    await outbox.store.open()
    try:
        if not outbox.store.capabilities.durable:
            await outbox.store.migrate()  # as entering the outbox does: nobody else can have
        return [*_transport_findings(outbox), *await outbox.store.check()]
    finally:
        await outbox.store.close()


def _transport_findings(outbox: Outbox) -> list[Finding]:
    try:
        outbox.runner()
    except AdapterMissing as error:
        return [
            Finding(
                stops_jobs=False,
                subject=f"{error.kind} {error.name}",
                problem="it isn't installed",
                consequence="jobs can be enqueued, watched and operated here, but not run",
                mend=f"pip install {error.distribution}" if error.distribution else str(error),
            )
        ]
    return []


def _severity(finding: Finding) -> str:
    return "error" if finding.stops_jobs else "warning"


def _as_json(finding: Finding) -> Mapping[str, str]:
    return {
        "severity": _severity(finding),
        "subject": finding.subject,
        "problem": finding.problem,
        "consequence": finding.consequence,
        "mend": finding.mend,
    }


def _line(finding: Finding) -> str:
    return one_line(
        f"{_severity(finding)}: {finding.subject}: {finding.problem}; "
        f"consequence: {finding.consequence}; mend: {finding.mend}"
    )
