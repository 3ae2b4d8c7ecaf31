"""Test how jobs are read, and how changes are signalled."""
