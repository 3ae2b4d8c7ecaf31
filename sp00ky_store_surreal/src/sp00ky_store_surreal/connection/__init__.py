"""Bring statements to SurrealDB: a server's connections, the embedded engine, callers' transactions."""
