"""The HTTP transport of Sp00ky outbox."""
