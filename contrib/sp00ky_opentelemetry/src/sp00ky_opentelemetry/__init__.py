"""Trace and measure Sp00ky outbox with OpenTelemetry, on public hooks alone."""

from sp00ky_opentelemetry.plugin import OpenTelemetry

__all__ = ["OpenTelemetry"]
