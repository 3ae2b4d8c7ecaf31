"""Test the life of a job in a store, from enqueue to retention."""
