from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# A slow machine is no bug: neither a deadline nor slow generation fails a test.
settings.register_profile(
    "sp00ky",
    settings.get_profile("ci" if os.environ.get("CI") else "default"),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("sp00ky")
