"""All steps of a workflow belong to the trace that created it, and its end is measured."""

from pathlib import Path

from opentelemetry.sdk.trace import TracerProvider
from tests.opentelemetry.conftest import Telemetry
from tests.workflows.conftest import Backend

from sp00ky_core import Outbox, load_config, load_plugins
from sp00ky_workflows import Workflows


async def test_steps_are_in_the_trace_of_who_created_their_workflow(project: Path, backend: Backend) -> None:
    telemetry, plugins = Telemetry(), load_plugins()
    plugins.register(telemetry.plugin(), name="telemetry", distribution="zombie")
    config = load_config(project, plugins=plugins)
    async with Outbox.open(config, store="memory://", plugins=plugins) as outbox:
        workflows = outbox.extension(Workflows)
        tracer = TracerProvider(shutdown_on_exit=False).get_tracer("zombie")
        with tracer.start_as_current_span("checkout") as span:
            async with workflows.create("flow") as w:
                w.step("b", "shop", "/b", after=[w.step("a", "shop", "/a")])
        async with outbox.runner(transport=backend):
            ended = await workflows.wait(w.id, timeout=60)
        jobs = [await outbox.get(str(step.job_id)) for step in ended.steps]
    assert {job.trace for job in jobs} == {f"{span.get_span_context().trace_id:032x}"}
    (point,) = telemetry.points()["sp00ky.workflow.duration"]
    assert dict(point.attributes) == {"sp00ky.workflow.name": "flow", "sp00ky.workflow.status": "success"}
