"""One trace, from the request that enqueues through the attempt to the backend, over real HTTP."""

import json
from pathlib import Path

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from sp00ky_conformance import MisbehavingBackend
from sp00ky_core import Outbox, Plugins, load_plugins
from sp00ky_core.stores import memory as core_stores
from sp00ky_opentelemetry import OpenTelemetry
from sp00ky_transport_http import plugin as http


def project(folder: Path, url: str) -> Path:
    operation = {"post": {"requestBody": {"content": {"application/json": {}}}}}
    document = {"openapi": "3.1.0", "paths": {"/json": operation}}
    (folder / "openapi.json").write_text(json.dumps(document))
    config = folder / "sp00ky.yml"
    backend = f"{{spec: openapi.json, baseUrl: '{url}', method: {{type: outbox, table: job}}}}"
    config.write_text(f"store: memory://\nbackends: {{api: {backend}}}\n")
    return config


async def test_a_trace_goes_from_the_request_to_the_backend(tmp_path: Path) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("these-tests")
    plugins = Plugins()
    for name, plugin in (("core", core_stores), ("http", http), ("otel", OpenTelemetry(provider))):
        plugins.register(plugin, name=name, distribution=name)
    async with MisbehavingBackend() as backend:
        async with Outbox.open(project(tmp_path, backend.url), plugins=plugins) as outbox:
            with tracer.start_as_current_span("POST /orders", kind=SpanKind.SERVER):
                job = await outbox.run("api", "/json", {"id": 1})
            async with outbox.runner():
                await outbox.wait(job.id, timeout=60)
        (received,) = backend.requests
    carrier = {name.lower(): value for name, value in received.headers.items()}
    context = TraceContextTextMapPropagator().extract(carrier)
    with tracer.start_as_current_span("POST /json", context=context, kind=SpanKind.SERVER):
        pass  # as the backend's own instrumentation does
    spans = exporter.get_finished_spans()
    assert [span.name for span in spans] == ["create api", "POST /orders", "deliver api", "POST /json"]
    created, request, attempt, handled = spans
    assert len({span.context.trace_id for span in spans}) == 1
    parents = [span.parent and span.parent.span_id for span in (created, attempt, handled)]
    assert parents == [span.context.span_id for span in (request, created, attempt)]


def test_it_is_installed_as_any_plugin() -> None:
    assert "sp00ky-opentelemetry" in {info.distribution for info in load_plugins().infos}
