"""Read queues, rates and changes, once for all browsers."""
