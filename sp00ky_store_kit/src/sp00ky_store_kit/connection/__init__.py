"""Get statements to the database: primitives, SQL, threads, and work that outlives its caller."""
