"""Test what steers a running fleet: priority, order, limits, pauses, operators' acts."""
