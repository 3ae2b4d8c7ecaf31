"""Hold a job, its options, its retries, its attempts' outcomes, and the state machine that moves it."""
