"""The same rooms as in the source."""
