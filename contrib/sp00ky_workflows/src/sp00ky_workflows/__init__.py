"""Workflows and batches of Sp00ky outbox: jobs after jobs, with their results."""

from sp00ky_workflows.api.batches import Batch, Batches
from sp00ky_workflows.api.draft import StepRef, item
from sp00ky_workflows.api.records import BatchRecord, StepRecord, WorkflowRecord
from sp00ky_workflows.api.steering import RetryResult
from sp00ky_workflows.api.workflows import NewWorkflow, Workflows
from sp00ky_workflows.errors import (
    BatchClosed,
    UnknownBatch,
    UnknownWorkflow,
    WorkflowInvalid,
    WorkflowStopped,
)
from sp00ky_workflows.model.graph import OnFailure, StepStatus, WorkflowStatus

__all__ = ["Batch", "BatchClosed", "BatchRecord", "Batches", "NewWorkflow", "OnFailure", "StepRecord"]
__all__ += ["RetryResult", "StepRef"]
__all__ += ["StepStatus", "UnknownBatch", "UnknownWorkflow", "WorkflowInvalid", "WorkflowRecord"]
__all__ += ["WorkflowStatus", "WorkflowStopped", "Workflows", "item"]
