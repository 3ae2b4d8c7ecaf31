"""Answer each page's requests."""

from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from sp00ky_dashboard.operate.bulk_progress import progress
from sp00ky_dashboard.operate.confirmation import act
from sp00ky_dashboard.operate.copy_job import copy
from sp00ky_dashboard.pages.audit import audit
from sp00ky_dashboard.pages.event_stream import events
from sp00ky_dashboard.pages.export import export
from sp00ky_dashboard.pages.groups_and_errors import errors, groups
from sp00ky_dashboard.pages.job import job
from sp00ky_dashboard.pages.jobs import jobs
from sp00ky_dashboard.pages.overview import overview
from sp00ky_dashboard.pages.runners import runners
from sp00ky_dashboard.rendering import STATIC

NAVIGATION = (
    ("/", "Overview"),
    ("/jobs", "Jobs"),
    ("/groups", "Groups"),
    ("/errors", "Errors"),
    ("/runners", "Runners"),
    ("/audit", "Audit"),
)
"""Pages of extensions are named before the last one."""

ROUTES = (
    Route("/", overview),
    Route("/jobs", jobs),
    Route("/jobs/{job_id:path}", job),
    Route("/groups", groups),
    Route("/errors", errors),
    Route("/runners", runners),
    Route("/audit", audit),
    Route("/events", events),
    Route("/progress/{operation_id}", progress),
    Route("/act", act, methods=["POST"]),
    Route("/copy", copy, methods=["POST"]),
    Route("/export", export),
    Mount("/static", StaticFiles(directory=STATIC)),
)
"""Whatever changes something is a POST."""

FOR_TENANTS = tuple(route for route in ROUTES if getattr(route, "path", "") in {"/act", "/static"})
"""What a tenant's dashboard has of these."""
