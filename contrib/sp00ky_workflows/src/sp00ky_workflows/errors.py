"""Say what is wrong with a workflow or a batch."""

from __future__ import annotations

from sp00ky_core.errors import Sp00kyError

__all__ = ["BatchClosed", "UnknownBatch", "UnknownWorkflow", "WorkflowInvalid", "WorkflowStopped"]


class WorkflowInvalid(Sp00kyError, ValueError):
    """A workflow can't be made so; nothing was written.

    Attributes:
        workflow: Its name.
        step: The step that is wrong; empty: the whole is.
        problem: What is wrong, and what to do.
    """

    exit_code: int = 2

    def __init__(self, *, workflow: str, step: str, problem: str) -> None:
        self.workflow: str = workflow
        self.step: str = step
        self.problem: str = problem
        where = f"step {step!r} of workflow {workflow!r}" if step else f"workflow {workflow!r}"
        super().__init__(f"{where}: {problem}")


class UnknownWorkflow(Sp00kyError):
    """There is no such workflow, or no such step in it; nothing was done."""


class WorkflowStopped(Sp00kyError):
    """A workflow isn't in a state in which this can be done; nothing was done."""


class UnknownBatch(Sp00kyError):
    """There is no such batch."""


class BatchClosed(Sp00kyError):
    """A batch is closed, so no job was added to it."""
