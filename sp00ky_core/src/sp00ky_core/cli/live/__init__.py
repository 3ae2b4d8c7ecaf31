"""Keep screens on a terminal up to date: queues in numbers, jobs as they change, a runner at work."""
