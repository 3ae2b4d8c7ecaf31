"""Test connections, cancelled calls and several processes."""
