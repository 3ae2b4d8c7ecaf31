"""The peers: each has a program that runs in an environment of its own, without anything of ours."""
