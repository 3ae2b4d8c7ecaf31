"""Operate on jobs, backends, runners and schedules: the operator's part of ``Outbox``."""
