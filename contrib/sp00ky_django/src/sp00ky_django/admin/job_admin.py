"""List jobs, show one, retry and kill: jobs are read here, and changed by the outbox alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth import get_permission_codename
from django.db import connections

from sp00ky_core import OperatorResult, Sp00kyError
from sp00ky_core.outbox.operators.bulk import DONE
from sp00ky_django.admin.columns import errors_table, last_error, pretty
from sp00ky_django.admin.filters import BackendFilter, PathFilter, backends_of
from sp00ky_django.admin.paginator import EstimatingPaginator
from sp00ky_django.admin.search import matching
from sp00ky_django.lazy_outbox import outbox

__all__ = ["JobAdmin"]

MOST_AT_ONCE = 1_000
"""Jobs of one action in the admin; ``sp00ky jobs`` has filters and progress for more."""

SHORT = 20
"""Characters of a key that is shown whole."""

LONG = ("payload", "result", "errors")


class JobList(ChangeList):
    """The list's query, without the columns that may be long."""

    def get_queryset(self, request: Any, *arguments: Any, **options: Any) -> Any:
        """Return the jobs that are listed, each with the name of its last error."""
        queryset = super().get_queryset(request, *arguments, **options)
        return queryset.defer(*LONG).annotate(last_error_name=last_error(connections[queryset.db].vendor))


class JobAdmin(admin.ModelAdmin):
    """The jobs of one table.

    ``view_...`` lets a user see them, payloads included, ``change_...`` lets them retry and kill; who did is
    written into the outbox's audit.
    """

    list_display = (
        *("short_id", "backend", "operation", "status", "attempts", "assigned_to", "created_at", "run_at"),
        "last_error",
    )
    list_filter = ("status", BackendFilter, PathFilter)
    search_fields = ("assigned_to",)
    search_help_text = "What it is assigned to, its dedup key, or the beginning of its id"
    sortable_by = ()
    list_per_page = 50
    show_full_result_count = False
    show_facets = getattr(
        getattr(admin, "ShowFacets", None), "NEVER", None
    )  # of Django 5: they count the table
    paginator = EstimatingPaginator
    actions = ("retry", "kill")
    fieldsets = (
        (
            None,
            {"fields": ("job_id", "backend", "path", "status", "attempts", "payload_json", "result_json")},
        ),
        ("Attempts that failed", {"fields": ("error_entries",)}),
        (
            "When",
            {
                "fields": (
                    *("created_at", "updated_at", "run_at", "expires_at", "deferred_since", "lease_until"),
                    *("claimed_at", "redacted_at"),
                )
            },
        ),
        (
            "Options",
            {
                "fields": (
                    *("assigned_to", "dedup_key", "ordering_key", "priority", "retry_strategy", "timeout"),
                    *("lease_epoch", "runner_id", "traceparent", "request_id", "copied_from"),
                )
            },
        ),
    )

    def get_readonly_fields(self, request: Any, obj: Any = None) -> list[str]:
        """Return all of them."""
        return [name for _, section in self.fieldsets for name in section["fields"]]

    def get_changelist(self, request: Any, **_: Any) -> type[ChangeList]:
        """Return the list with a query of its own."""
        return JobList

    def get_search_results(self, request: Any, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """Search by ``matching``."""
        term = search_term.strip()
        if not term or "\0" in term:
            return queryset, False
        is_postgres = connections[queryset.db].vendor == "postgresql"
        return queryset.filter(matching(term, self.model.table, is_postgres=is_postgres)), False

    # Permissions: to change is to retry and to kill; no form saves a job.

    def has_add_permission(self, request: Any) -> bool:
        """Refuse: jobs are enqueued by the application."""
        return False

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:
        """Refuse, so that a job's page has no form."""
        return False

    def has_delete_permission(self, request: Any, obj: Any = None) -> bool:
        """Refuse: ended jobs are deleted by retention."""
        return False

    def has_view_permission(self, request: Any, obj: Any = None) -> bool:
        """Let those see jobs who may view or change them."""
        return self._may(request, "view") or self.has_operate_permission(request)

    def has_operate_permission(self, request: Any) -> bool:
        """Let those retry and kill jobs who may change them."""
        return self._may(request, "change")

    def _may(self, request: Any, action: str) -> bool:
        codename = get_permission_codename(action, self.opts)
        return bool(request.user.has_perm(f"{self.opts.app_label}.{codename}"))

    # Actions

    @admin.action(description="Retry the selected jobs that failed", permissions=["operate"])
    def retry(self, request: Any, queryset: Any) -> None:
        """Make failed jobs pending again."""
        self._operate(request, queryset, outbox.retry, "retried")

    @admin.action(description="Kill the selected jobs that haven't ended", permissions=["operate"])
    def kill(self, request: Any, queryset: Any) -> None:
        """End jobs as failed; an attempt under way is fenced off."""
        self._operate(request, queryset, outbox.kill, "killed")

    def _operate(
        self, request: Any, queryset: Any, act: Callable[..., Sequence[OperatorResult]], done: str
    ) -> None:
        keys = list(queryset.order_by().values_list("pk", flat=True)[: MOST_AT_ONCE + 1])
        if len(keys) > MOST_AT_ONCE:
            text = (
                f"Nothing was done: select at most {MOST_AT_ONCE:,} jobs, or use `sp00ky jobs` with filters."
            )
            self.message_user(request, text, messages.ERROR)
            return
        ids = [f"{self.model.table}:{key}" for key in keys]
        try:
            results = act(*ids, actor=request.user.get_username())
        except Sp00kyError as error:
            self.message_user(request, str(error), messages.ERROR)
            return
        text, is_whole = outcome(results, done)
        self.message_user(request, text, messages.SUCCESS if is_whole else messages.WARNING)

    # Columns

    @admin.display(description="id")
    def short_id(self, job: Any) -> str:
        """Return the key's beginning and end: keys of the same time begin alike."""
        key = str(job.pk)
        return key if len(key) <= SHORT else f"{key[:8]}…{key[-6:]}"

    @admin.display(description="backend")
    def backend(self, job: Any) -> str:
        """Return the backend that the job is for."""
        backends = backends_of(job.table)
        first = next(iter(backends.values()), None)
        return "-" if first is None else first.serving(job.path).name

    @admin.display(description="path")
    def operation(self, job: Any) -> str:
        """Return the operation's one name, however the row spells it."""
        first = next(iter(backends_of(job.table).values()), None)
        return str(job.path if first is None else first.serving(job.path).contract.name(job.path))

    @admin.display(description="attempts that failed")
    def attempts(self, job: Any) -> str:
        """Return the retries so far, of those allowed."""
        return f"{job.retries} of {job.max_retries} retries"

    @admin.display(description="last error")
    def last_error(self, job: Any) -> str:
        """Return the name of the last error."""
        return job.last_error_name or "-"

    @admin.display(description="payload")
    def payload_json(self, job: Any) -> Any:
        """Return the payload, indented."""
        return pretty(job.payload)

    @admin.display(description="result")
    def result_json(self, job: Any) -> Any:
        """Return what the backend answered, indented."""
        return pretty(job.result)

    @admin.display(description="errors")
    def error_entries(self, job: Any) -> Any:
        """Return an entry for each attempt that failed."""
        return errors_table(job.errors)


def outcome(results: Sequence[OperatorResult], done: str) -> tuple[str, bool]:
    """Say what became of the jobs; and whether it was done to all of them."""
    fates = Counter("done" if result.fate in DONE else result.fate.value for result in results)
    count = fates.pop("done", 0)
    text = f"{count:,} {'job' if count == 1 else 'jobs'} {done}."
    if fates:
        why = ", ".join(f"{number:,} {fate.replace('_', ' ')}" for fate, number in fates.items())
        problem = next((result.problem for result in results if result.problem), None)
        text += f" Refused: {why}." + (f" {problem}." if problem else "")
    return text, not fates
