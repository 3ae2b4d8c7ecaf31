from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from sp00ky_core import Outbox, Plugins, RetryConfig, hookimpl, load_plugins
from sp00ky_core.ports import JobTable, StoreOptions
from sp00ky_core.testing import ScriptedTransport, outbox_over
from sp00ky_opentelemetry import OpenTelemetry


@attrs.define
class Telemetry:
    """The plugin under test, and what it exports."""

    tracers: TracerProvider = attrs.field(factory=lambda: TracerProvider(shutdown_on_exit=False))
    spans: InMemorySpanExporter = attrs.field(factory=InMemorySpanExporter)
    reader: InMemoryMetricReader = attrs.field(factory=InMemoryMetricReader)

    def plugin(self) -> OpenTelemetry:
        self.tracers.add_span_processor(SimpleSpanProcessor(self.spans))
        return OpenTelemetry(self.tracers, MeterProvider([self.reader], shutdown_on_exit=False))

    def finished(self, kind: str) -> list[ReadableSpan]:
        """The spans of one kind, in the order in which they ended."""
        return [span for span in self.spans.get_finished_spans() if span.name.split()[0] == kind]

    def points(self) -> dict[str, list[Any]]:
        """The points of each metric."""
        data = self.reader.get_metrics_data()
        assert data is not None
        metrics = [metric for part in data.resource_metrics[0].scope_metrics for metric in part.metrics]
        return {metric.name: list(metric.data.data_points) for metric in metrics}


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry()


@attrs.define
class _Transports:
    transport: ScriptedTransport

    @hookimpl
    def sp00ky_register_transports(self) -> dict[str, Any]:
        return {"http": lambda: self.transport}


MakeOutbox = Callable[[ScriptedTransport], Outbox]


@pytest.fixture
def make_outbox(telemetry: Telemetry, tmp_path: Path) -> MakeOutbox:
    """An outbox in memory with the plugin, whose backend answers as a script says."""

    def make(transport: ScriptedTransport) -> Outbox:
        plugins = Plugins()
        plugins.register(_Transports(transport), name="transports", distribution="these-tests")
        plugins.register(telemetry.plugin(), name="opentelemetry", distribution="sp00ky-opentelemetry")
        tables = (JobTable(backend="api", table="job"),)
        memory = load_plugins().store("memory")
        store = memory(StoreOptions(url="memory://", tables=tables, directory=tmp_path))
        return outbox_over(store, tables, tmp_path, plugins=plugins, retry=RetryConfig(base=0))

    return make
