"""Operate on jobs, backends and runners: the operator's part of ``Outbox``."""
