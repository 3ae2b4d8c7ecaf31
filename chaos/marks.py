"""A plugin of the runners under test: marks each request with who sent it, and reports what was written."""

import json
import os
import time
from collections.abc import Mapping

from sp00ky_core import BackendConfig, Job, Transition, hookimpl

__all__ = ["NAME", "REPORTS", "sp00ky_request_headers", "sp00ky_job_settled"]

NAME = "CHAOS_RUNNER"
REPORTS = "CHAOS_REPORTS"
"""Variables of the environment: this runner's name, and the file that it reports to."""


@hookimpl
def sp00ky_request_headers(job: Job, backend: BackendConfig) -> Mapping[str, str]:
    return {
        "Chaos-Runner": os.environ[NAME],
        "Chaos-Epoch": str(job.lease_epoch),
        "Chaos-Begun": repr(time.time()),
    }


@hookimpl
def sp00ky_job_settled(job: Job, transition: Transition) -> None:
    if transition.bumps_epoch:
        return  # reclaimed: not by the claim's own epoch
    report = {
        "job_id": job.id,
        "epoch": job.lease_epoch,
        "to": transition.to.value,
        "runner": os.environ[NAME],
        "at": time.time(),
    }
    with open(os.environ[REPORTS], "ab", buffering=0) as file:  # noqa: PTH123  # one write, whole or not at all
        file.write(json.dumps(report).encode() + b"\n")
