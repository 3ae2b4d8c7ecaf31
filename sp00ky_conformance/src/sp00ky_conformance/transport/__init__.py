"""Test what every transport promises, against a backend that misbehaves."""
