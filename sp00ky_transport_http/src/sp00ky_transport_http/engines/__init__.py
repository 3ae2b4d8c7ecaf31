"""Send requests over the wire: one engine for each HTTP library."""
