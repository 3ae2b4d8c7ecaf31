"""The same on every store."""

from pathlib import Path

import pytest
from tests.store_mysql.conftest import database, server, url_of
from tests.store_postgres.conftest import schema, sql, url
from tests.workflows.test_batches import (
    test_a_batch_calls_back_once_with_its_counts,
    test_failures_have_a_callback_of_their_own,
    test_several_may_add_until_it_is_closed,
)
from tests.workflows.test_missed import (
    test_a_step_that_failed_without_a_job_stops_no_search,
    test_each_workflow_is_found_however_many_are_of_one_instant,
    test_text_that_a_job_answered_is_read_as_json,
)
from tests.workflows.test_more_steps import (
    test_one_may_wait_for_what_has_succeeded_and_for_what_is_pending,
)
from tests.workflows.test_once import (
    test_a_list_goes_on_after_any_id,
    test_an_id_given_twice_is_one_workflow,
    test_many_at_once_make_one,
)
from tests.workflows.test_pauses import (
    test_a_signal_may_come_before_the_wait,
    test_a_sleep_ends_after_its_time,
    test_a_step_waits_for_a_signal,
    test_a_wait_that_is_done_again_takes_another_signal,
    test_a_wait_without_a_signal_fails_and_undoes,
    test_steps_behind_a_wait_are_added_while_it_waits,
)
from tests.workflows.test_running import (
    test_a_deadline_ends_a_workflow_and_its_jobs,
    test_a_diamond_gets_the_results_of_what_it_waits_for,
    test_a_failed_item_fails_its_step,
    test_a_step_is_done_for_each_item_of_a_result,
    test_what_doesn_t_depend_on_a_failed_step_may_go_on,
    test_what_succeeded_is_undone_in_reverse,
)
from tests.workflows.test_steering import (
    test_a_kill_ends_what_is_pending,
    test_a_rerun_is_another_workflow,
    test_a_retry_before_the_deadline_and_a_rerun_keep_it,
    test_a_retry_goes_on_where_it_failed,
    test_a_retry_of_the_job_lets_its_workflow_go_on,
    test_an_undone_workflow_can_be_done_again,
    test_many_go_on_with_a_corrected_payload,
)

__all__ = ["database", "schema", "server", "sql", "url"]
__all__ += [
    "test_a_batch_calls_back_once_with_its_counts",
    "test_a_deadline_ends_a_workflow_and_its_jobs",
    "test_a_diamond_gets_the_results_of_what_it_waits_for",
    "test_a_failed_item_fails_its_step",
    "test_a_kill_ends_what_is_pending",
    "test_a_list_goes_on_after_any_id",
    "test_a_rerun_is_another_workflow",
    "test_a_retry_before_the_deadline_and_a_rerun_keep_it",
    "test_a_retry_goes_on_where_it_failed",
    "test_a_retry_of_the_job_lets_its_workflow_go_on",
    "test_a_signal_may_come_before_the_wait",
    "test_a_sleep_ends_after_its_time",
    "test_a_step_is_done_for_each_item_of_a_result",
    "test_a_step_that_failed_without_a_job_stops_no_search",
    "test_a_step_waits_for_a_signal",
    "test_a_wait_that_is_done_again_takes_another_signal",
    "test_a_wait_without_a_signal_fails_and_undoes",
    "test_an_id_given_twice_is_one_workflow",
    "test_an_undone_workflow_can_be_done_again",
    "test_each_workflow_is_found_however_many_are_of_one_instant",
    "test_failures_have_a_callback_of_their_own",
    "test_many_at_once_make_one",
    "test_many_go_on_with_a_corrected_payload",
    "test_one_may_wait_for_what_has_succeeded_and_for_what_is_pending",
    "test_several_may_add_until_it_is_closed",
    "test_steps_behind_a_wait_are_added_while_it_waits",
    "test_text_that_a_job_answered_is_read_as_json",
    "test_what_doesn_t_depend_on_a_failed_step_may_go_on",
    "test_what_succeeded_is_undone_in_reverse",
]


@pytest.fixture(params=["sqlite", "postgres", "mariadb", "surreal", "embedded"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database."""
    if request.param == "mariadb":
        return url_of(request.getfixturevalue("database"))
    names = {"postgres": "url", "surreal": "surreal_url"}
    own = {"sqlite": f"sqlite:///{tmp_path / 'app.db'}", "embedded": f"surrealkv://{tmp_path / 'app'}"}
    return own.get(request.param) or str(request.getfixturevalue(names[request.param]))
