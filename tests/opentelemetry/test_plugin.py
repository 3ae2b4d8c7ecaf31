"""The plugin as it is installed."""

from sp00ky_core import Plugins, load_plugins
from sp00ky_opentelemetry import OpenTelemetry
from sp00ky_opentelemetry.plugin import plugin


def test_it_is_found_by_its_entry_point() -> None:
    (info,) = [info for info in load_plugins().infos if info.distribution == "sp00ky-opentelemetry"]
    assert info.name == "opentelemetry"
    assert "sp00ky_traceparent" in info.hooks
    assert isinstance(plugin, OpenTelemetry)


def test_without_it_no_hook_of_its_is_called() -> None:
    hooks = Plugins().hooks()
    names = ("sp00ky_traceparent", "sp00ky_request_headers", "sp00ky_attempt_finished", "sp00ky_jobs_claimed")
    assert not any(hooks.observes(name) for name in names)
