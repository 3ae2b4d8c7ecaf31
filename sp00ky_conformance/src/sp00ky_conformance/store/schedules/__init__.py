"""Test what a store with ``capabilities.schedules`` promises."""
