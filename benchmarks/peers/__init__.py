"""The peers: each has a program that runs in an environment of its own, where nothing of ours is installed."""
