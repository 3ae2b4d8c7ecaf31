"""The SurrealDB store of Sp00ky outbox."""
