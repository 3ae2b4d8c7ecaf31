"""Do what operators want: pause a backend, move and delete jobs, write down who did it."""
