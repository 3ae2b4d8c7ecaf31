"""Enqueue, claim, settle and look after jobs."""
